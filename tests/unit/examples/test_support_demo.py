"""The demo's client and what it prints, against a server of a few lines that speaks the public API."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from examples.support.demo.__main__ import allow_what_waits, what_went_wrong, what_went_wrong_with_the_refund
from examples.support.demo.answer import Answer, ask
from examples.support.demo.api_client import ApiClient, RefusedError
from examples.support.demo.event_stream import Event, read_events
from examples.support.demo.model_choice import what_is_missing
from examples.support.demo.server_process import ServerProcess
from examples.support.shop import Shop
from rich.console import Console

USAGE = {"model_calls": 2, "tool_calls": 1, "input_tokens": 130, "output_tokens": 70, "cost_usd": "0.0012"}
STREAM = [
    b'id: 1\nevent: status\ndata: {"status": "running"}\n\n',
    b'id: 2\nevent: tool_call\ndata: {"call_id": "c", "tool": "find_order", "arguments": {"order_id": "KM-1042"}}\n\n',
    b'id: 3\nevent: tool_result\ndata: {"call_id": "c", "tool": "find_order", "outcome": "ok", "result": "packed"}\n\n',
    b': still here\n\nid: 4\nevent: text\ndata: {"text": "It is "}\n\n',
    b'id: 5\nevent: text\ndata: {"text": "packed."}\n\n',
    b'id: 6\nevent: done\ndata: {"status": "succeeded", "output": "It is packed.", "reason": null}\n\n',
]


class FakeApi:
    """Accepts one task and plays `STREAM`, cutting the first connection in the middle of the fourth event."""

    def __init__(self) -> None:
        self.cursors: list[str | None] = []
        self.submitted: list[dict[str, Any]] = []
        self.app = web.Application()
        self.app.router.add_post("/v1/tasks", self.submit)
        self.app.router.add_get("/v1/tasks/t1", self.task)
        self.app.router.add_get("/v1/tasks/t1/events", self.events)
        self.app.router.add_post("/v1/tasks/t1/decisions", self.decide)
        self.app.router.add_get("/v1/tasks/other/events", self.refuse)

    async def submit(self, request: web.Request) -> web.Response:
        assert request.headers["Idempotency-Key"]
        self.submitted.append(await request.json())
        return web.json_response({"id": "t1", "session_id": "s1", "status": "queued"}, status=202)

    async def task(self, _: web.Request) -> web.Response:
        waiting_for = [{"call_id": "t1:c", "tool": "refund_order"}]
        return web.json_response({"id": "t1", "status": "succeeded", "usage": USAGE, "waiting_for": waiting_for})

    async def decide(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert (body["call_id"], body["decision"]) == ("t1:c", "approve")
        return web.json_response(body)

    async def events(self, request: web.Request) -> web.StreamResponse:
        cursor = request.headers.get("Last-Event-ID")
        self.cursors.append(cursor)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        if cursor is None:
            await response.write(b"".join(STREAM[:3]) + STREAM[3][:30])
            assert request.transport
            request.transport.close()
            return response
        await response.write(b"".join(STREAM[int(cursor) :]))
        return response

    async def refuse(self, _: web.Request) -> web.Response:
        return web.json_response({"title": "Not found", "detail": "there is no such task"}, status=404)


@pytest.fixture
async def api() -> AsyncIterator[tuple[FakeApi, ApiClient]]:
    fake = FakeApi()
    async with TestServer(fake.app) as server, ApiClient(str(server.make_url("/")).rstrip("/")) as client:
        yield fake, client


async def lines_of(*chunks: bytes) -> AsyncIterator[bytes]:
    for line in b"".join(chunks).splitlines(keepends=True):
        yield line


async def test_events_are_read_and_comments_skipped() -> None:
    events = [event async for event in read_events(lines_of(*STREAM))]
    assert [event.kind for event in events] == ["status", "tool_call", "tool_result", "text", "text", "done"]
    assert events[4] == Event("5", "text", {"text": "packed."})


async def test_data_over_several_lines_is_one_event_and_half_an_event_is_none() -> None:
    lines = lines_of(b'event: text\r\ndata: {"text":\r\ndata: "a"}\r\n\r\n', b'id: 2\ndata: {"text": "cut o')
    assert [event async for event in read_events(lines)] == [Event("", "text", {"text": "a"})]


async def test_a_broken_stream_goes_on_at_its_cursor(api: tuple[FakeApi, ApiClient]) -> None:
    fake, client = api
    kinds = [event.id async for event in client.events("t1")]
    assert kinds == ["1", "2", "3", "4", "5", "6"]
    assert fake.cursors == [None, "3"]


async def test_a_refusal_says_why(api: tuple[FakeApi, ApiClient]) -> None:
    _, client = api
    with pytest.raises(RefusedError, match="404: there is no such task"):
        await anext(client.events("other"))


async def test_a_question_is_shown_with_its_tools_answer_and_bill(api: tuple[FakeApi, ApiClient]) -> None:
    fake, client = api
    output = io.StringIO()
    answer = await ask(client, Console(file=output, width=100), "Where is KM-1042?", session_id="s1")
    assert answer == Answer("s1", text_events=2, tool_results=1, status="succeeded")
    assert fake.submitted == [{"input": "Where is KM-1042?", "session_id": "s1"}]
    shown = output.getvalue()
    assert "You     Where is KM-1042?" in shown
    assert 'Tool    find_order(order_id="KM-1042")\n        packed\n' in shown
    assert "Agent   It is packed.\n" in shown
    assert "2 model calls · 1 tool call · 130 tokens in, 70 out · $0.0012" in shown


async def test_a_free_model_is_said_to_be_free(api: tuple[FakeApi, ApiClient]) -> None:
    _, client = api
    output = io.StringIO()
    await ask(client, Console(file=output, width=100), "Hi", free=True)
    assert "$0 (local model, no price)" in output.getvalue()


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Answer(text_events=2, tool_results=1, status="succeeded"), None),
        (Answer(text_events=1, tool_results=1, status="succeeded"), "no answer streamed"),
        (Answer(text_events=2, tool_results=0, status="succeeded"), "no tool was called"),
        (Answer(text_events=2, tool_results=1, status="dead", reason="no model"), "ended dead: no model"),
    ],
)
def test_the_demo_admits_what_did_not_work(answer: Answer, problem: str | None) -> None:
    said = what_went_wrong([answer])
    assert said == problem if problem is None else problem in (said or "")


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    assert "ANTHROPIC_API_KEY" in (what_is_missing("anthropic:claude-haiku-4-5") or "")
    assert what_is_missing("no-such-model") == "Unknown model: no-such-model"
    assert what_is_missing("test") is None


APPROVAL = [
    b'id: 1\nevent: status\ndata: {"status": "running"}\n\n',
    b'id: 2\nevent: approval\ndata: {"call_id": "t1:c", "about": "approval", "tool": "refund_order"}\n\n',
    b'id: 3\nevent: status\ndata: {"status": "waiting", "reason": "refund_order needs an approval"}\n\n',
    b"id: 4\nevent: restart\ndata: {}\n\n",
    b'id: 5\nevent: tool_result\ndata: {"tool": "refund_order", "outcome": "done", "result": "paid",'
    b' "decision": {"verdict": "approve", "by": "dev"}}\n\n',
    b'id: 6\nevent: done\ndata: {"status": "succeeded", "output": "Paid."}\n\n',
]


async def test_what_waits_is_allowed_and_the_answer_says_by_whom(
    api: tuple[FakeApi, ApiClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client = api
    monkeypatch.setitem(globals(), "STREAM", APPROVAL)
    output, waited = io.StringIO(), list[str]()
    console = Console(file=output, width=100)

    async def when_waiting(task_id: str) -> None:
        waited.append(task_id)
        await allow_what_waits(client, console, task_id)

    answer = await ask(client, console, "Refund it.", when_waiting=when_waiting)
    assert (answer.decided_by, answer.tool_results, waited) == (("dev",), 1, ["t1"])
    shown = output.getvalue()
    assert "waits until somebody decides" in shown
    assert "Staff   approve refund_order" in shown
    # Nothing had been said yet, so there is nothing that could start again.
    assert "starts again" not in shown


@pytest.mark.parametrize(
    ("answer", "refunds", "problem"),
    [
        (Answer(tool_results=1, decided_by=("dev",)), 1, None),
        (Answer(tool_results=1, decided_by=("dev",)), 0, "not made once"),
        (Answer(tool_results=2, decided_by=("dev",)), 1, "not made once"),
        (Answer(tool_results=1), 1, "nobody was asked"),
    ],
)
def test_the_demo_looks_into_the_books(answer: Answer, refunds: int, problem: str | None, tmp_path: Path) -> None:
    for _ in range(refunds):
        Shop(tmp_path / "shop.sqlite").refund("DC-2207", "broken")
    said = what_went_wrong_with_the_refund(answer, ServerProcess(tmp_path))
    assert said == problem if problem is None else problem in (said or "")
