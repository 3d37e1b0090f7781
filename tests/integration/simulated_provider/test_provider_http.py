"""What is wrong with a request becomes an error in the provider's shape, and the server stays up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2
import orjson
import pytest

from roadworthy.testing.simulated_provider import PortTaken, ProviderSettings, SimulatedProvider, start

OPENAI = "/v1/chat/completions"
ANTHROPIC = "/v1/messages"
QUESTION = {"model": "sim", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
async def http(provider: SimulatedProvider) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=provider.url, timeout=30, verify=False) as client:
        yield client


@pytest.mark.parametrize("path", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 2000, "not JSON"),
        (b"[]", "object"),
        (orjson.dumps({**QUESTION, "model": None}), "model"),
        (orjson.dumps({**QUESTION, "model": 7}), "model"),
        (orjson.dumps({**QUESTION, "messages": "hi"}), "messages"),
        (orjson.dumps({**QUESTION, "messages": []}), "messages"),
        (orjson.dumps({**QUESTION, "messages": [{"content": "hi"}]}), "messages"),
    ],
)
async def test_bad_bodies(http: httpx2.AsyncClient, path: str, body: bytes, says: str) -> None:
    answer = await http.post(path, content=body)
    assert answer.status_code == 400
    error = answer.json()
    assert error["error"]["type"] == "invalid_request_error"
    assert says in error["error"]["message"]
    assert error.get("type") == ("error" if path == ANTHROPIC else None)
    assert (await http.post(path, json=QUESTION)).status_code == 200
    stats = (await http.get("/stats")).json()
    assert (stats["requests"], stats["bad_requests"], stats["inflight"]) == (1, 1, 0)


@pytest.mark.parametrize("odd", [{"tools": 7}, {"tools": [{}, 7]}, {"tool_choice": 7}, {"stream_options": 7}])
async def test_odd_fields_do_no_harm(http: httpx2.AsyncClient, odd: dict[str, object]) -> None:
    for path in (OPENAI, ANTHROPIC):
        assert (await http.post(path, json={**QUESTION, **odd})).status_code == 200


async def test_anthropic_needs_max_tokens(http: httpx2.AsyncClient) -> None:
    answer = await http.post(ANTHROPIC, json={**QUESTION, "max_tokens": None})
    assert (answer.status_code, "max_tokens" in answer.text) == (400, True)


async def test_unknown_paths_methods_and_parameters(http: httpx2.AsyncClient) -> None:
    assert (await http.post("/v1/responses", json={})).status_code == 404
    assert (await http.get("/")).json()["error"]["message"].startswith("unknown path /")
    assert (await http.get(ANTHROPIC)).json()["error"]["type"] == "invalid_request_error"
    assert (await http.put("/stats")).status_code == 405
    assert (await http.get("/stats", params={"request_at_least": 1})).status_code == 400
    assert (await http.get("/stats", params={"requests_at_least": "many"})).status_code == 400
    assert (await http.post("/control", json=[])).status_code == 400
    assert (await http.post(OPENAI, json={**QUESTION, "model": "sim-fail200"})).status_code == 404


async def speak(provider: SimulatedProvider, *sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
    for part in sent:
        writer.write(part)
        await writer.drain()
    writer.write_eof()
    received = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return received


def post(path: str, body: bytes, headers: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\nhost: x\r\n%bcontent-length: %d\r\n\r\n%b" % (path.encode(), headers, len(body), body)


async def test_what_is_not_http(provider: SimulatedProvider, http: httpx2.AsyncClient) -> None:
    assert (await speak(provider, b"\x16\x03\x01 hello\r\n\r\n")).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert await speak(provider, b"POST /v1/messages HTTP/1.1\r\ncontent-le") == b""
    assert (await http.post(OPENAI, json=QUESTION)).status_code == 200


async def test_requests_sent_ahead_are_answered_in_order(provider: SimulatedProvider) -> None:
    slow = orjson.dumps({**QUESTION, "model": "sim-latency30"})
    fast = orjson.dumps({**QUESTION, "model": "sim-tokens1"})
    last = post(OPENAI, fast, b"connection: close\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
    writer.write(post(OPENAI, slow) + post("/nope", b"") + last)
    received = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    places = [received.find(text) for text in (b"sim-latency30", b"unknown path", b"sim-tokens1")]
    assert places == sorted(places)
    assert places[0] > 0


async def test_a_thousand_requests_sent_ahead(provider: SimulatedProvider) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
    slow = post(OPENAI, orjson.dumps({**QUESTION, "model": "sim-latency20"}))
    writer.write(slow + post("/nope", b"") * 1000 + post("/nope", b"", b"connection: close\r\n"))
    received = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert received.count(b"unknown path") == 1001


async def test_body_in_many_pieces(provider: SimulatedProvider) -> None:
    request = post(OPENAI, orjson.dumps(QUESTION), b"connection: close\r\n")
    received = await speak(provider, *(request[i : i + 7] for i in range(0, len(request), 7)))
    assert b"chat.completion" in received


async def test_many_connections_at_once(provider: SimulatedProvider) -> None:
    provider.control(hold=True)
    request = post(OPENAI, orjson.dumps({**QUESTION, "stream": True}), b"connection: close\r\n")
    streams = [asyncio.create_task(speak_and_wait(provider, request)) for _ in range(400)]
    await provider.wait_for(held_at_least=400)
    provider.control(hold=False)
    for received in await asyncio.gather(*streams):
        assert received.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert provider.stats["max_inflight"] == 400


async def speak_and_wait(provider: SimulatedProvider, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
    writer.write(request)
    received = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return received


async def test_start_and_stop_leave_nothing_behind(provider: SimulatedProvider) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(PortTaken, match="taken"):
        await start(ProviderSettings(), port=provider.port)
    with pytest.raises(PortTaken):
        await start(ProviderSettings(), port=70_000)
    second = await start(ProviderSettings())
    await second.stop()
    third = await start(ProviderSettings(), port=second.port)
    assert third.url == second.url == f"http://127.0.0.1:{second.port}"
    await third.stop()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
