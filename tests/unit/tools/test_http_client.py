"""The HTTP client for tools against real servers on loopback."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import pytest
from aiohttp import web

from roadworthy.core.scope import Surroundings, surroundings
from roadworthy.domain.effect import StartedCall
from roadworthy.domain.errors import RequestNotSent, ToolCallFailed
from roadworthy.domain.failure_class import FailureClass
from roadworthy.tools import http

from .loopback import Service, at_once, service, speaking

KEY = "rw-0123"


def client_of(*services: Service, **more: Any) -> http.Client:
    return http.Client([each.url for each in services], allow_private=["127.0.0.1"], **more)


def within_a_call() -> None:
    call = StartedCall("pay", {}, KEY, "task", "session", "tenant", "user", "t1:x", 1, 0.0)
    surroundings.set(Surroundings(None, "t1:x", started=call))


# Requests and answers


async def test_it_sends_what_it_is_given_and_gives_back_what_came() -> None:
    text = {"X-A": "1", "Content-Type": "text/plain; charset=latin-1"}
    async with service(at_once(lambda: web.Response(status=201, body="é".encode("latin-1"), headers=text))) as shop:
        response = await client_of(shop, headers={"authorization": "Bearer t"}).post(
            f"{shop.url}/orders?a=1", params={"b": "ü &"}, json={"n": 1}, headers={"x-b": "2"}
        )
        (came,) = shop.came
    assert (came.method, came.path, came.body) == ("POST", "/orders?a=1&b=%C3%BC+%26", b'{"n":1}')
    assert (came.headers["Authorization"], came.headers["X-B"]) == ("Bearer t", "2")
    assert came.headers["Content-Type"] == "application/json"
    assert (response.status, response.text, response.headers["x-a"]) == (201, "é", "1")
    assert response.url == f"{shop.url}/orders?a=1&b=%C3%BC+%26"


async def test_every_method_has_its_name() -> None:
    async with service() as shop:
        client = client_of(shop)
        for one in (client.get, client.post, client.put, client.patch, client.delete):
            assert (await one(f"{shop.url}/x")).json() == {"path": "/x"}
        assert [each.method for each in shop.came] == ["GET", "POST", "PUT", "PATCH", "DELETE"]


async def test_a_form_and_plain_content_are_bodies_and_two_of_them_are_none() -> None:
    async with service() as shop:
        client = client_of(shop)
        await client.post(shop.url, form={"a": "1 &"})
        await client.post(shop.url, content="hé")
        assert [each.body for each in shop.came] == [b"a=1+%26", "hé".encode()]
        with pytest.raises(ValueError, match="one body"):
            await client.post(shop.url, form={}, json={})


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (404, FailureClass.TOOL_CALL_FAILED),
        (429, FailureClass.TOOL_SERVICE_FAILED),
        (503, FailureClass.TOOL_SERVICE_FAILED),
    ],
)
async def test_a_status_is_an_answer_until_it_is_asked_to_be_an_error(status: int, failure: FailureClass) -> None:
    async with service(
        at_once(lambda: web.Response(status=status, text="out of\nstock", headers={"Retry-After": "7"}))
    ) as shop:
        response = await client_of(shop).get(shop.url)
    assert response.status == status
    with pytest.raises(ToolCallFailed, match=f"{status}: out of stock") as raised:
        response.raise_for_status()
    assert (raised.value.failure, raised.value.retry_after) == (failure, 7)


async def test_an_answer_that_is_not_json_says_so() -> None:
    async with service(at_once(lambda: web.Response(text="<html>"))) as shop:
        response = await client_of(shop).get(shop.url)
    with pytest.raises(ToolCallFailed, match="not JSON"):
        response.raise_for_status().json()


# Idempotency keys


async def test_within_a_tool_call_what_may_change_something_carries_its_key() -> None:
    within_a_call()
    async with service() as shop:
        client = client_of(shop)
        for send in (client.get, client.post, client.delete):
            await send(f"{shop.url}/a")
        keys = [each.headers.get("Idempotency-Key") for each in shop.came]
    assert keys[:2] == [None, KEY]


async def test_the_same_request_has_the_same_key_and_another_one_in_the_same_call_another() -> None:
    async def keys(shop: Service, *bodies: str) -> list[str]:
        within_a_call()
        for body in bodies:
            await client_of(shop).post(shop.url, content=body)
        return [each.headers["Idempotency-Key"] for each in shop.came]

    async with service() as shop:
        first, again, other = await keys(shop, "a", "a", "b")
        assert (first, again) == (KEY, KEY)
        assert other.startswith(f"{KEY}-")
        # A new try of the tool begins anew and has the same keys.
        assert await keys(shop, "a", "b") == [first, again, other, first, other]


async def test_a_key_of_the_callers_own_stays() -> None:
    within_a_call()
    async with service() as shop:
        await client_of(shop).post(shop.url, headers={"idempotency-key": "mine"})
        assert shop.came[0].headers["Idempotency-Key"] == "mine"


async def test_outside_a_tool_call_there_is_no_key() -> None:
    async with service() as shop:
        await client_of(shop).post(shop.url)
        assert "Idempotency-Key" not in shop.came[0].headers


# Redirects


async def test_a_redirect_to_another_host_brings_no_credentials_there() -> None:
    within_a_call()
    async with service() as other:
        away = web.Response(status=307, headers={"Location": f"{other.url}/new"})
        async with service(at_once(lambda: away)) as shop:
            client = client_of(shop, other, headers={"Authorization": "t", "X-Api-Key": "k", "Cookie": "c"})
            response = await client.post(f"{shop.url}/old", content="order")
    assert (response.url, other.came[0].method, other.came[0].body) == (f"{other.url}/new", "POST", b"order")
    assert {"Authorization", "X-Api-Key", "Cookie"} <= set(shop.came[0].headers)
    assert not {"Authorization", "X-Api-Key", "Cookie"} & set(other.came[0].headers)
    assert other.came[0].headers["Idempotency-Key"] == KEY


async def test_a_redirect_on_the_same_host_keeps_credentials_and_303_becomes_a_get() -> None:
    within_a_call()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/old":
            return web.Response(status=303, headers={"Location": "new?a=1#part"})
        return web.Response()

    async with service(answer) as shop:
        await client_of(shop, headers={"Authorization": "t"}).post(f"{shop.url}/old", content="order")
        came = shop.came[1]
    assert (came.method, came.path, came.body, came.headers["Authorization"]) == ("GET", "/new?a=1", b"", "t")
    assert not {"Idempotency-Key", "Content-Type"} & set(came.headers)


@pytest.mark.parametrize(
    "place",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "//127.0.0.1:1/",
        "http://user@127.0.0.1/",
        "file:///etc/passwd",
        "http://127.0.0.1\\@x/",
        "http://[::1",
        "javascript:alert(1)",
    ],
)
async def test_a_redirect_is_checked_like_any_url(place: str) -> None:
    async with service(at_once(lambda: web.Response(status=302, headers={"Location": place}))) as shop:
        with pytest.raises(http.RequestRefused):
            await client_of(shop).get(shop.url)
        # Of what may have changed something it is no refusal: the first service has it.
        with pytest.raises(ToolCallFailed, match="was received"):
            await client_of(shop).post(shop.url)
        assert len(shop.came) == 2


async def test_https_is_not_left() -> None:
    client = http.Client(["shop.example", "http://shop.example"])
    from yarl import URL

    with pytest.raises(http.RequestRefused, match="https to http"):
        client._redirected(URL("https://shop.example/a"), "HTTP://shop.example/b")
    assert str(client._redirected(URL("http://shop.example/a"), "https://shop.example/b")) == "https://shop.example/b"


async def test_redirects_end() -> None:
    async with service(at_once(lambda: web.Response(status=302, headers={"Location": "/again"}))) as shop:
        with pytest.raises(http.RequestRefused, match="more than 3 times"):
            await client_of(shop, max_redirects=3).get(shop.url)
        assert len(shop.came) == 4
        assert (await client_of(shop, max_redirects=0).get(shop.url)).status == 302


# What is refused at once


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://shop.example/", "not what this tool may reach"),
        ("http://api.shop.example/", "not what this tool may reach"),
        ("https://api.shop.example:8443/", "not what this tool may reach"),
        ("https://api.shop.example:0/", "not what this tool may reach"),
        ("https://api.shop.example./", "not what this tool may reach"),
        ("https://api.shop.example.evil.example/", "not what this tool may reach"),
        ("https://evilpages.example/", "not what this tool may reach"),
        ("https://pages.example/", "not what this tool may reach"),
        ("https://.pages.example/", "not what this tool may reach"),
        ("https://user:password@api.shop.example/", "user or password"),
        ("https://@api.shop.example/", "user or password"),
        ("https://api.shop.example/a b", "space"),
        ("https://api.shop.example/\n", "control character"),
        ("https://api.shop.example" + "/a" * 5000, "characters"),
        ("ftp://api.shop.example/", "not a URL that this tool can fetch"),
        ("api.shop.example", "not a URL that this tool can fetch"),
        ("", "not a URL that this tool can fetch"),
        ("https://api.shop.example:99999/", "not a URL"),
    ],
)
async def test_a_url_outside_the_list_is_refused_in_words(url: str, why: str) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["10.0.0.1"]

    client = http.Client(["api.shop.example", "*.pages.example"], resolve=resolve)
    with pytest.raises(http.AddressRefused, match=why):
        await client.get(url)
    assert not asked
    for allowed in ("https://api.shop.example/x", "https://API.shop.example:443", "https://a.b.pages.example/"):
        with pytest.raises(http.AddressRefused, match="private"):
            await client.get(allowed)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "1\r\nX-B: 2"},
        {"X-A": "1\n"},
        {"X-A": "\0"},
        {"X-A\r\nX-B": "2"},
        {"X A": "1"},
        {"": "1"},
        {"X-A": "€"},
        {"Host": "other.example"},
        {"content-length": "5"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "upgrade"},
        {"X-Forwarded-For": "10.0.0.1"},
        {"X-A": 1},
    ],
)
async def test_headers_cannot_be_broken_out_of_nor_speak_for_the_connection(headers: Any) -> None:
    async with service() as shop:
        with pytest.raises(http.RequestRefused, match="header"):
            await client_of(shop).get(shop.url, headers=headers)
        assert not shop.came
    with pytest.raises(ValueError, match="header"):
        http.Client(["shop.example"], headers=headers)


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "GET / HTTP/1.1\r\nX:", ""])
async def test_only_methods_that_tools_need(method: str) -> None:
    with pytest.raises(http.RequestRefused, match="method"):
        await http.Client(["shop.example"]).request(method, "https://shop.example/")


@pytest.mark.parametrize(
    ("allow", "more", "why"),
    [
        ([], {}, "must name"),
        ("shop.example", {}, "must be a list"),
        (["https://shop.example/orders"], {}, "without a path"),
        (["user@shop.example"], {}, "without a path, a user"),
        (["api.*.example"], {}, "a star elsewhere"),
        (["shop.example:99999"], {}, "no port"),
        (["127.1"], {}, "not the name"),
        (["ftp://shop.example"], {}, "write a host"),
        (["shop.example"], {"allow_private": ["10.0.0.5"]}, "does not name"),
        (["*"], {"allow_private": ["*"]}, "without a star"),
        (["*.example.org"], {"allow_private": ["*.example.org"]}, "without a star"),
        (["shop.example"], {"allow_private": "shop.example"}, "must be a list"),
        (["*"], {"headers": {"X-Api-Key": "k"}}, "any host"),
        (["shop.example"], {"seconds": 0}, "above zero"),
        (["shop.example"], {"max_bytes": -1}, "zero or more"),
    ],
)
def test_settings_that_say_something_else_than_they_do_are_refused(allow: Any, more: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        http.Client(allow, **more)


async def test_a_private_host_is_reached_only_where_it_is_named_as_private() -> None:
    async with service() as shop:
        for allow in ([shop.url], [shop.url, "*"], [f"http://*:{shop.port}"]):
            with pytest.raises(http.AddressRefused, match="loopback"):
                await http.Client(allow).get(shop.url)
        assert not shop.came

        async def resolve(host: str, port: int) -> list[str]:
            return ["127.0.0.1"]

        # Another name for the same address is not what was allowed.
        both = [shop.url, f"http://*:{shop.port}"]
        client = http.Client(both, allow_private=["127.0.0.1"], resolve=resolve)
        with pytest.raises(http.AddressRefused, match="loopback"):
            await client.get(f"http://rebound.example:{shop.port}/")
        assert (await client.get(shop.url)).status == 200


async def test_what_clouds_and_links_use_is_never_reached() -> None:
    for host in ("169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "0.0.0.0", "224.0.0.1"):
        client = http.Client([f"http://{host}"], allow_private=[host])
        with pytest.raises(http.AddressRefused):
            await client.get(f"http://{host}/")


async def test_proxies_and_passwords_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    async with service() as proxy, service() as shop:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        passwords = tmp_path / "netrc"
        passwords.write_text("default login me password secret\n")
        monkeypatch.setenv("NETRC", str(passwords))
        await client_of(shop).get(shop.url)
        assert not proxy.came
        assert "Authorization" not in shop.came[0].headers


async def test_cookies_are_not_kept() -> None:
    async with service(at_once(lambda: web.Response(headers={"Set-Cookie": "a=1"}))) as shop:
        client = client_of(shop)
        await client.get(shop.url)
        await client.get(shop.url)
        assert "Cookie" not in shop.came[1].headers


# Size


def _packed(times: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(bytes(1_000_000)) for _ in range(times)), packer.flush()])


@pytest.mark.parametrize("headers", [b"Content-Length: 100000000\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_a_body_is_read_up_to_its_limit(headers: bytes) -> None:
    endless = b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n" + b"10000\r\n" + bytes(0x10000) + b"\r\n"
    async with speaking(endless, then_close=False) as shop:
        with pytest.raises(http.TooMuchReceived, match="more than 1000 bytes"):
            await client_of(shop, max_bytes=1000).get(shop.url)


async def test_a_small_answer_that_unpacks_to_a_large_one_is_stopped() -> None:
    bomb = _packed(60)
    assert len(bomb) < 100_000
    answer = web.Response(body=bomb, headers={"Content-Encoding": "gzip"})
    async with service(at_once(lambda: answer)) as shop:
        with pytest.raises(http.TooMuchReceived):
            await client_of(shop, max_bytes=1_000_000).get(shop.url)


async def test_a_packed_answer_within_the_limit_is_unpacked() -> None:
    answer = web.Response(body=gzip.compress(b"a" * 5000), headers={"Content-Encoding": "gzip"})
    async with service(at_once(lambda: answer)) as shop:
        assert (await client_of(shop, max_bytes=5000).get(shop.url)).body == b"a" * 5000


async def test_the_answer_to_head_has_no_body_to_be_too_large() -> None:
    async with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n") as shop:
        response = await client_of(shop, max_bytes=10).request("HEAD", shop.url)
    assert response.headers["Content-Length"] == "5000"


# Failures


async def _failure(shop: Service, **more: Any) -> ToolCallFailed:
    with pytest.raises(ToolCallFailed) as raised:
        await client_of(shop, **more).post(f"{shop.url}/secret-path?token=t")
    # Words for people and models: where, but not what was in the URL.
    assert "127.0.0.1" in raised.value.message
    assert "secret" not in raised.value.message
    assert "token" not in raised.value.message
    return raised.value


async def test_a_service_that_is_not_there_has_certainly_received_nothing() -> None:
    async with service() as gone:
        pass
    error = await _failure(gone)
    assert isinstance(error, RequestNotSent)
    assert (error.failure, "nothing was sent" in error.message) == (FailureClass.TOOL_UNREACHABLE, True)


async def test_a_name_that_nobody_knows_has_certainly_received_nothing() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return []

    with pytest.raises(RequestNotSent, match=r"shop\.example has no address"):
        await http.Client(["shop.example"], resolve=resolve).post("https://shop.example/")


async def test_a_service_that_says_nothing_may_have_received_it() -> None:
    async with speaking(b"", then_close=False) as shop:
        for error in (await _failure(shop, seconds=0.5), await _failure(shop, silent_seconds=0.5)):
            assert not isinstance(error, RequestNotSent)
            assert (error.failure, "within 0.5 s" in error.message) == (FailureClass.TOOL_TIMED_OUT, True)


async def test_a_service_that_trickles_runs_out_of_time() -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b".")
            await asyncio.sleep(0.01)

    async with service(trickle) as shop:
        assert (await _failure(shop, seconds=0.2)).failure is FailureClass.TOOL_TIMED_OUT


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nno-gz",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    ],
)
async def test_an_answer_that_is_damaged_may_have_been_received(words: bytes) -> None:
    async with speaking(words) as shop:
        error = await _failure(shop)
    assert not isinstance(error, RequestNotSent)
    assert error.failure is FailureClass.TOOL_UNREACHABLE


async def test_a_service_without_tls_has_received_nothing() -> None:
    async with service() as shop:
        client = http.Client([f"https://127.0.0.1:{shop.port}"], allow_private=["127.0.0.1"], seconds=5)
        with pytest.raises(RequestNotSent):
            await client.post(f"https://127.0.0.1:{shop.port}/")


async def test_the_failure_names_the_tool() -> None:
    within_a_call()
    async with speaking(b"") as shop:
        assert (await _failure(shop)).tool == "pay"


async def test_the_limit_of_whoever_waits_for_it_stays_theirs() -> None:
    async with speaking(b"", then_close=False) as shop:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client_of(shop).get(shop.url)
