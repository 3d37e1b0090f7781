from typing import Any

import pytest
import structlog
from api_in_memory import Api

from roadworthy.domain.errors import NotAllowed
from roadworthy.domain.ids import new_id


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail", "code"} <= set(body)
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"urn:roadworthy:problem:{code}"
    assert "Traceback" not in body["detail"]
    return body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body is empty"),
        (b"{", "line 1 column"),
        (b'{"input": "a",\n "agent" 3}', "line 2 column 10"),
        (b'"hello"', "must be a JSON object"),
        (b"[]", "must be a JSON object"),
        (b'{"input": "\xff"}', "not JSON"),
        (b'{"input": "\\ud800"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
async def test_what_is_no_json_object(api: Api, body: bytes, words: str):
    problem = assert_problem(await api.call("POST", "/v1/tasks", body), 400, "malformed_request")
    assert words in problem["detail"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "input"),
        ({"input": 1}, "input must be a string"),
        ({"input": ""}, "empty"),
        ({"input": "a\0"}, "NUL"),
        ({"input": "a", "limits": {"steps": 99}}, "limits.steps"),
        ({"input": "a", "limits": {"stepps": 9}}, "limits.stepps"),
        ({"input": "a", "session_id": "x"}, "session_id"),
        ({"input": "a", "inputs": "x"}, "inputs"),
        ({"input": "a", "metadata": []}, "metadata"),
        ({"input": "a", "on_busy": "x"}, "on_busy"),
    ],
)
async def test_fields_that_cannot_be_used(api: Api, body: object, words: str):
    problem = assert_problem(await api.call("POST", "/v1/tasks", body), 422, "invalid_request")
    assert words in problem["detail"]


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "status=done", "session_id=1", "session=1"])
async def test_query_parameters_that_cannot_be_used(api: Api, query: str):
    problem = assert_problem(await api.call("GET", f"/v1/tasks?{query}"), 422, "invalid_request")
    assert query.split("=")[0] in problem["detail"]


async def test_a_page_cursor_that_was_never_given(api: Api):
    assert_problem(await api.call("GET", "/v1/tasks?cursor=abc"), 400, "illegal_cursor")
    assert_problem(await api.call("GET", "/v1/sessions?cursor=abc"), 400, "illegal_cursor")


async def test_too_much_input(api: Api):
    answer = await api.call("POST", "/v1/tasks", {"input": "a" * 300_000})
    assert_problem(answer, 413, "input_too_large")


async def test_too_large_a_body_is_not_read(api: Api):
    answer = await api.call("POST", "/v1/tasks", b"", {"Content-Length": "99999999999"})
    assert_problem(answer, 413, "input_too_large")
    assert answer.headers["connection"] == "close"


async def test_too_large_a_body_of_unknown_length(api: Api):
    call = api.begin("POST", "/v1/tasks", b"")
    call.messages[:] = [{"type": "http.request", "body": b"x" * 65536, "more_body": True} for _ in range(100)]
    assert_problem(await call.answer(), 413, "input_too_large")
    assert len(call.messages) > 80


async def test_a_body_in_pieces(api: Api):
    call = api.begin("POST", "/v1/tasks", b"")
    parts = [b'{"inp', b'ut": "hello"', b"}"]
    call.messages[:] = [{"type": "http.request", "body": part, "more_body": part != b"}"} for part in parts]
    assert (await call.answer()).status == 202


async def test_a_client_that_goes_away_before_the_body_is_there(api: Api):
    call = api.begin("POST", "/v1/tasks", b"")
    call.messages[:] = [{"type": "http.request", "body": b'{"inp', "more_body": True}]
    await api.world.settle()
    await call.hang_up()
    assert call.sent == []


async def test_unknown_paths_and_methods(api: Api):
    for path in ("/", "/v2", "/v1/tasks/", f"/v1/tasks/{new_id()}/nothing"):
        assert_problem(await api.call("GET", path), 404, "not_found")
    answer = await api.call("DELETE", "/v1/tasks")
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


async def test_options_and_head(api: Api):
    answer = await api.call("OPTIONS", f"/v1/sessions/{new_id()}")
    assert (answer.status, answer.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS")
    assert (await api.call("HEAD", "/health")).status == 200


async def test_the_store_is_away(api: Api):
    api.world.outages.store_away = True
    for method, path in (("POST", "/v1/tasks"), ("GET", "/v1/tasks"), ("GET", f"/v1/tasks/{new_id()}/events")):
        answer = await api.call(method, path, {"input": "a"} if method == "POST" else None)
        assert_problem(answer, 503, "store_unavailable")
        assert int(answer.headers["retry-after"]) > 0
    ready = await api.call("GET", "/ready")
    assert "store" in assert_problem(ready, 503, "not_ready")["reasons"]
    assert (await api.call("GET", "/health")).json() == {"status": "ok"}


async def test_the_broker_is_away(api: Api):
    api.world.outages.broker_away = True
    task = await api.submitted()
    assert (await api.call("GET", f"/v1/tasks/{task['id']}")).status == 200
    assert (await api.call("POST", f"/v1/tasks/{task['id']}/cancel")).status == 202
    assert (await api.call("GET", f"/v1/tasks/{task['id']}/events")).status == 200
    assert (await api.call("GET", "/ready")).json() == {"status": "ready"}


async def test_what_should_not_happen_is_told_with_an_id_and_logged(api: Api, monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(api.world.task_store, "find", broken)
    with structlog.testing.capture_logs() as logs:
        answer = await api.call("GET", f"/v1/tasks/{new_id()}")
    body = assert_problem(answer, 500, "internal_error")
    assert "secret" not in answer.body.decode()
    (line,) = logs
    assert line["event"] == "request_failed"
    assert line["incident"] in body["detail"]
    assert body["instance"] == f"urn:uuid:{line['incident']}"


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "127.1.2.3"])
async def test_hosts_of_this_machine(api: Api, host: str):
    assert (await api.call("GET", "/health", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "0.0.0.0",
        "[::]",
        "10.0.0.1:80",
        "",
        "[::1",
        "localhost:80@evil.example",
        "[::1]evil.example",
        "::1:80:80",
    ],
)
async def test_hosts_that_are_not_this_machine(api: Api, host: str):
    assert_problem(await api.call("GET", "/v1/tasks", headers={"Host": host}), 403, "not_allowed")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:8080", "Origin": "http://localhost:8080"}, 200),
        ({"Host": "127.0.0.1:8080", "Origin": "https://127.0.0.1:8080"}, 200),
        ({"Host": "localhost:8080", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Host": "localhost:8080", "Sec-Fetch-Site": "none"}, 200),
        ({"Host": "localhost:8080", "Origin": "http://localhost:3000"}, 403),
        ({"Host": "localhost:8080", "Origin": "http://localhost"}, 403),
        ({"Host": "localhost:8080", "Origin": "https://evil.example"}, 403),
        ({"Host": "localhost:8080", "Origin": "null"}, 403),
        ({"Host": "localhost:8080", "Origin": "file://localhost:8080"}, 403),
        ({"Host": "localhost:8080", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "localhost:8080", "Sec-Fetch-Site": "same-site"}, 403),
    ],
)
async def test_only_pages_of_the_server_itself_get_in(api: Api, headers: dict[str, str], status: int):
    assert (await api.call("GET", "/v1/tasks", headers=headers)).status == status


async def test_elsewhere_any_host_will_do_and_somebody_tells_who_asks():
    async def nobody(connection: object) -> None:
        raise NotAllowed("who are you?")

    api = Api(loopback_only=False, authenticate=nobody)
    assert (await api.call("GET", "/health", headers={"Host": "api.example"})).status == 200
    answer = await api.call("GET", "/v1/tasks", headers={"Host": "api.example"})
    assert assert_problem(answer, 403, "not_allowed")["detail"] == "who are you?"
    await api.close()
