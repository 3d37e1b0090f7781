"""Requests that can't be used: each is told what is wrong with it, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

from .deployment import Deployment
from .http_api import Answer

GOOD = {"agent": "openai", "input": "Hello."}
JSON = {"content-type": "application/json"}


def check_problem(answer: Answer, status: int, code: str, *words: str) -> None:
    """A problem document (RFC 9457) whose detail says these words."""
    assert (answer.status, answer.body and answer.body["code"]) == (status, code), answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body.keys() >= {"type", "title", "status", "detail", "code"}
    assert answer.body["status"] == status
    for word in words:
        assert word in answer.body["detail"], answer.body["detail"]
    assert "Traceback" not in str(answer.body)


async def check_nothing_happened(served: Deployment) -> None:
    """The server goes on, and there are no tasks, sessions or keys."""
    assert (await served.api.get("/ready")).status == 200
    for table in ("tasks", "sessions", "idempotency_keys"):
        assert await served.fetch(f"select * from {table}") == []
    assert not [entry for entry in served.processes[0].log if entry["level"] == "error"]


SUBMISSIONS: dict[str, tuple[Any, int, str, str]] = {
    "nothing": (b"", 400, "malformed_request", "the body is empty"),
    "half an object": (b'{"input": "Hel', 400, "malformed_request", "line 1 column"),
    "not UTF-8": (b'{"input": "\xff\xfe"}', 400, "malformed_request", "not JSON"),
    "half a surrogate pair": (b'{"input": "\\ud800"}', 400, "malformed_request", "not JSON"),
    "an array": ([GOOD], 400, "malformed_request", "must be a JSON object"),
    "deeply nested": (b"[" * 100_000, 400, "malformed_request", "not JSON"),
    "no input": ({"agent": "openai"}, 422, "invalid_request", "input is missing"),
    "a number as input": (GOOD | {"input": 5}, 422, "invalid_request", "must be a string, not a number"),
    "an empty input": (GOOD | {"input": " \n"}, 422, "invalid_request", "must not be empty"),
    "NUL in the input": (GOOD | {"input": "a\0b"}, 422, "invalid_request", "NUL"),
    "NUL in the metadata": (GOOD | {"metadata": {"a": ["b\0"]}}, 422, "invalid_request", "NUL"),
    "NUL in the agent": (GOOD | {"agent": "a\0b"}, 422, "unknown_agent", "openai"),
    "an unknown agent": (GOOD | {"agent": "nobody"}, 422, "unknown_agent", "anthropic, function"),
    "no agent of several": ({"input": "Hello."}, 422, "unknown_agent", "agent is missing"),
    "an unknown field": (GOOD | {"inptu": "x"}, 422, "invalid_request", "'inptu'"),
    "a session that is no id": (GOOD | {"session_id": "mine"}, 422, "invalid_request", "session_id"),
    "a session of nobody": (GOOD | {"session_id": str(uuid4())}, 404, "not_found", "session"),
    "metadata as text": (GOOD | {"metadata": "x"}, 422, "invalid_request", "metadata must be an object"),
    "too much metadata": (GOOD | {"metadata": {"x": "y" * 17_000}}, 422, "invalid_request", "16 KiB"),
    "an unknown choice": (GOOD | {"on_busy": "wait"}, 422, "invalid_request", "queue, reject, interrupt"),
    "an unknown limit": (GOOD | {"limits": {"stepz": 3}}, 422, "invalid_request", "stepz"),
    "a limit of another type": (GOOD | {"limits": {"steps": "many"}}, 422, "invalid_request", "steps"),
    "a limit that is too high": (GOOD | {"limits": {"steps": 10_000}}, 422, "invalid_request", "steps"),
    "a negative limit": (GOOD | {"limits": {"total_seconds": -1}}, 422, "invalid_request", "total_seconds"),
    "not a number as a limit": (
        b'{"agent": "openai", "input": "x", "limits": {"steps": NaN}}',
        400,
        "malformed_request",
        "",
    ),
    "no amount as a limit": (GOOD | {"limits": {"cost_usd": "cheap"}}, 422, "invalid_request", "cost_usd"),
    "a large input": (GOOD | {"input": "x" * (256 * 1024 + 1)}, 413, "input_too_large", "256 KiB"),
    "a large body": (GOOD | {"metadata": {"x": "y" * 1_100_000}}, 413, "input_too_large", "1024 KiB"),
}


async def test_submissions(served: Deployment) -> None:
    for what, (body, status, code, words) in SUBMISSIONS.items():
        sent = {"data": body, "headers": JSON} if isinstance(body, bytes) else {"json": body}
        answer = await served.api.request("POST", "/v1/tasks", **sent)
        try:
            check_problem(answer, status, code, words)
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}") from error
    for key in ("", "x" * 256, "\u00e4"):
        answer = await served.api.post("/v1/tasks", GOOD, headers={"idempotency-key": key})
        check_problem(answer, 422, "invalid_request", "Idempotency-Key")
    await check_nothing_happened(served)


async def test_a_body_that_never_comes_to_its_end(served: Deployment) -> None:
    """More than is allowed is not even read, whatever length was announced; a client that vanishes costs nothing."""
    host, _, port = served.api.url.removeprefix("http://").partition(":")
    head = f"POST /v1/tasks HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head)
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    # One chunk more than is allowed: what the server leaves unread would reset the connection before it is answered.
    for _ in range(17):
        writer.write(chunk)
    answer = await asyncio.wait_for(reader.read(1 << 16), 10)
    assert answer.startswith(b"HTTP/1.1 413 ")
    writer.close()

    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(head + chunk)
    await writer.drain()
    writer.close()
    await check_nothing_happened(served)


async def test_what_is_not_there_or_not_yours(served: Deployment) -> None:
    api = served.api
    for id_ in (str(uuid4()), "1", "%00", "x" * 5_000, "..%2f..%2fetc"):
        for method, path in (
            ("GET", f"/v1/tasks/{id_}"),
            ("GET", f"/v1/tasks/{id_}/events"),
            ("GET", f"/v1/tasks/{id_}/steps"),
            ("POST", f"/v1/tasks/{id_}/cancel"),
            ("GET", f"/v1/sessions/{id_}"),
            ("GET", f"/v1/sessions/{id_}/messages"),
            ("DELETE", f"/v1/sessions/{id_}"),
        ):
            check_problem(await api.request(method, path), 404, "not_found")
    check_problem(await api.get("/v2/tasks"), 404, "not_found", "/v2/tasks")
    check_problem(await api.get("/v1/tasks/"), 404, "not_found")
    await check_nothing_happened(served)


async def test_wrong_methods(served: Deployment) -> None:
    for method, path, allowed in (
        ("PUT", "/v1/tasks", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", f"/v1/tasks/{uuid4()}", "GET, HEAD, OPTIONS"),
        ("GET", f"/v1/tasks/{uuid4()}/cancel", "OPTIONS, POST"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
    ):
        answer = await served.api.request(method, path)
        check_problem(answer, 405, "method_not_allowed", allowed)
        assert answer.headers["allow"] == allowed
    await check_nothing_happened(served)


async def test_cursors_that_were_never_given_out(served: Deployment) -> None:
    api = served.api
    task = await api.submit("openai", "Hello.")
    events = f"/v1/tasks/{task['id']}/events"
    too_far = 1 << 52
    for cursor in ("x", "-1", "1.5", "1e3", str(1 << 53), str(too_far), "9" * 30, "٣"):
        answer = await api.get(events, headers={"last-event-id": cursor})
        check_problem(answer, 400, "illegal_cursor")
    check_problem(await api.get(f"{events}?after=x"), 400, "illegal_cursor")
    for path in ("/v1/tasks?cursor=x", "/v1/sessions?cursor=%00", f"/v1/tasks?cursor={'A' * 1000}"):
        check_problem(await api.get(path), 400, "illegal_cursor")
    for path in ("/v1/tasks?limit=0", "/v1/tasks?limit=x", "/v1/tasks?status=lost", "/v1/tasks?session_id=x"):
        check_problem(await api.get(path), 422, "invalid_request")
    check_problem(await api.get("/v1/tasks?statsu=dead"), 422, "invalid_request", "'statsu'")
    await api.cancel(task["id"])


async def test_hosts_and_origins_of_others(served: Deployment) -> None:
    """What a web page of somebody else could make a browser send."""
    api = served.api
    port = api.url.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "10.0.0.1", ""):
        answer = await api.post("/v1/tasks", GOOD, headers={"host": host})
        check_problem(answer, 403, "not_allowed", "localhost")
    for origin in ("http://evil.example", "null", "http://localhost.evil.example"):
        answer = await api.post("/v1/tasks", GOOD, headers={"origin": origin})
        check_problem(answer, 403, "not_allowed", "Origin")
    await check_nothing_happened(served)
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert (await api.get("/v1/tasks", headers={"host": host})).status == 200


async def test_not_even_http(served: Deployment) -> None:
    host, _, port = served.api.url.removeprefix("http://").partition(":")
    for nonsense in (b"\x16\x03\x01\x02\x00\x01\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 100):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(nonsense)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 10)
        assert re.match(rb"|HTTP/1.1 400 ", answer)
        writer.close()
    await check_nothing_happened(served)


async def test_what_a_worker_would_choke_on_is_kept_as_it_came(served: Deployment) -> None:
    """Odd but good input comes out as it went in."""
    odd = "\u202e\u0001 \U0001f6a6 \ufffe ' ; drop table tasks; -- {{x}} </script> " + "é" * 1000
    served.provider.control(script=[odd])
    for agent in ("openai", "anthropic", "function"):
        receipt = await served.api.submit(agent, odd, metadata={odd: odd})
        task = await served.api.ended(receipt["id"])
        assert (task["output"], task["metadata"]) == (odd, {odd: odd})
        assert await served.api.messages(receipt["session_id"]) == [("user", odd), ("assistant", odd)]
    assert [request.message for request in served.provider.requests] == [odd[:120]] * 3
