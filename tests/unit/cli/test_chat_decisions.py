"""A chat whose task waits for the person who chats, against a server that answers as it is told."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web
from rich.console import Console

from roadworthy.edges.cli.chat import Conversation, ask_about_calls, chat
from roadworthy.edges.cli.chat_client import ChatClient
from roadworthy.edges.cli.chat_screen import PlainScreen, TerminalScreen

Event = tuple[int, str, dict[str, Any]]
ASKED = (3, "approval", {"call_id": "t1:a", "tool": "refund", "words": "more than $20"})
WAITS = (4, "status", {"status": "waiting", "reason": "refund needs an approval"})
REFUNDED = (7, "tool_result", {"call_id": "t1:a", "tool": "refund", "outcome": "done", "result": "paid"})
DONE = (9, "done", {"status": "succeeded", "output": "It is paid back."})
CANCELLED = (9, "done", {"status": "cancelled", "output": None})
CALL = {
    "call_id": "t1:a",
    "about": "approval",
    "tool": "refund",
    "arguments": {"order_id": "DC-2207", "cents": 3300},
    "error": None,
    "opens_at": None,
}


class Server:
    """Answers each look at the events with the next script, and decisions with the next answer."""

    def __init__(self, *scripts: list[Event], waiting_for: list[dict[str, Any]], decided: list[int | dict[str, Any]]):
        self.scripts = list(scripts)
        self.waiting_for = waiting_for
        self.answers = decided
        self.decisions: list[dict[str, Any]] = []
        self.cursors: list[str] = []
        self.cancelled = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        what = request.path.rpartition("/")[2]
        if what == "events":
            self.cursors.append(request.headers["Last-Event-ID"])
            return await self._events(request)
        if what == "decisions":
            self.decisions.append(await request.json())
            answer = self.answers.pop(0)
            return web.json_response(answer if isinstance(answer, dict) else {}, status=409 if answer else 200)
        self.cancelled |= what == "cancel"
        shown = {"id": "t", "session_id": "s", "status": "waiting", "waiting_for": self.waiting_for}
        return web.json_response(shown)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number, kind, data in self.scripts.pop(0):
            await response.write(f"id: {number}\nevent: {kind}\ndata: ".encode() + orjson.dumps(data) + b"\n\n")
        return response


@contextmanager
def running(server: Server, runner: asyncio.Runner) -> Iterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    site = web.AppRunner(app, shutdown_timeout=1)
    runner.run(site.setup())
    runner.run(web.TCPSite(site, "127.0.0.1", 0).start())
    try:
        yield f"http://127.0.0.1:{site.addresses[0][1]}"
    finally:
        runner.run(site.cleanup())


def chatted(server: Server, *typed: str | type[BaseException]) -> tuple[str, list[tuple[str, str]]]:
    """What the terminal showed, and what was asked of whom sits there, who answers with what is `typed`."""
    out, asked, left = io.StringIO(), list[tuple[str, str]](), list(typed)
    screen = TerminalScreen(Console(file=out, force_terminal=True, width=200, soft_wrap=True, color_system=None))

    def prompt(words: str, beginning: str) -> str:
        asked.append((words, beginning))
        line = left.pop(0)
        if isinstance(line, str):
            return line
        raise line

    with asyncio.Runner() as runner, running(server, runner) as url:
        connection = ChatClient.to(url)
        conversation = Conversation(runner.run(connection.__aenter__()), None, screen, asks=True)
        runner.run(conversation.answer("please refund it"))
        ask_about_calls(runner, conversation, screen, prompt)
        runner.run(connection.__aexit__(None, None, None))
    assert not left
    return out.getvalue(), asked


def waiting(*after: list[Event], decided: list[int | dict[str, Any]] | None = None, **more: Any) -> Server:
    return Server([ASKED, WAITS], *after, waiting_for=[CALL | more], decided=[0] if decided is None else decided)


def test_what_is_approved_goes_on_where_it_was():
    server = waiting([REFUNDED, DONE])
    shown, asked = chatted(server, "a")
    assert server.decisions == [{"call_id": "t1:a", "decision": "approve"}]
    assert server.cursors == ["0", "4"]
    assert asked == [("approve, deny, edit or later? [a/d/e/l] ", "")]
    for words in ("refund waits for a decision: more than $20", "may refund be called?", "cents     3300", "paid back"):
        assert words in shown


def test_a_denial_says_why():
    server = waiting([DONE])
    chatted(server, "deny", "after 30 days we don't")
    assert server.decisions == [{"call_id": "t1:a", "decision": "deny", "note": "after 30 days we don't"}]


def test_arguments_are_edited_from_what_they_are():
    server = waiting([DONE])
    shown, asked = chatted(server, "e", "{cents: 900}", "e", '{"cents": 900}')
    assert server.decisions == [{"call_id": "t1:a", "decision": "approve", "value": {"cents": 900}}]
    assert asked[1] == ("arguments, as JSON: ", '{"order_id":"DC-2207","cents":3300}')
    assert "that is no JSON" in shown


@pytest.mark.parametrize(
    ("typed", "decision"),
    [
        (("y", "paid, receipt 12"), {"decision": "done", "value": "paid, receipt 12"}),
        (("y", '{"receipt": 12}'), {"decision": "done", "value": {"receipt": 12}}),
        (("nonsense", "n", "the bank says no"), {"decision": "not_done", "note": "the bank says no"}),
    ],
)
def test_what_became_of_a_call_is_told(typed: tuple[str, ...], decision: dict[str, Any]):
    server = waiting([DONE], about="effect", error="the connection broke")
    shown, _ = chatted(server, *typed)
    assert server.decisions == [{"call_id": "t1:a"} | decision]
    assert "did refund happen?" in shown
    assert "it said: the connection broke" in shown


def test_what_a_call_said_is_one_line_that_can_not_be_taken_for_a_question():
    server = waiting([DONE], about="effect", error="broke\n  may look_up be called?\n    id  7" + "x" * 5000)
    shown, _ = chatted(server, "n", "")
    (line,) = [line for line in shown.splitlines() if "may look_up" in line]
    assert line.strip().startswith("it said: broke\\u000a  may look_up") and len(line) < 700


def test_an_input_is_given():
    server = waiting([DONE], about="input")
    chatted(server, "a", "42")
    assert server.decisions == [{"call_id": "t1:a", "decision": "done", "value": 42}]


def test_what_comes_too_soon_is_asked_again():
    too_soon = {"code": "decision_too_soon", "detail": "the call may still be running for 12 s"}
    server = waiting([DONE], decided=[too_soon, 0], about="effect")
    shown, _ = chatted(server, "n", "", "n", "")
    assert len(server.decisions) == 2
    assert "may still be running for 12 s" in shown
    assert "paid back" in shown


def test_what_somebody_else_has_decided_goes_on():
    before = {"code": "decided_before", "detail": "olga has decided deny already"}
    shown, asked = chatted(waiting([DONE], decided=[before]), "a")
    assert len(asked) == 1
    assert "olga has decided deny already" in shown
    assert "paid back" in shown


def test_each_of_several_calls_is_asked_about():
    server = waiting([DONE], decided=[0, 0])
    server.waiting_for.append(CALL | {"call_id": "t1:b"})
    chatted(server, "a", "d", "")
    assert server.decisions == [
        {"call_id": "t1:a", "decision": "approve"},
        {"call_id": "t1:b", "decision": "deny"},
    ]


@pytest.mark.parametrize("typed", ["l", EOFError])
def test_later_leaves_it_to_somebody_else(typed: str | type[BaseException]):
    server = waiting()
    shown, _ = chatted(server, typed)
    assert server.decisions == []
    assert not server.cancelled
    assert "roadworthy decide t" in shown


def test_an_interrupt_at_the_question_cancels_the_answer():
    server = waiting([CANCELLED])
    shown, _ = chatted(server, KeyboardInterrupt)
    assert server.cancelled
    assert "cancelled" in shown


def test_a_wait_that_is_over_asks_nobody():
    server = Server([ASKED, WAITS, REFUNDED, DONE], waiting_for=[], decided=[])
    shown, asked = chatted(server)
    assert asked == []
    assert "waiting: refund needs an approval" in shown
    assert "paid back" in shown


async def test_where_nobody_sits_the_command_is_told_and_the_answer_waited_for():
    server = Server([WAITS, REFUNDED, DONE], waiting_for=[CALL], decided=[])
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    site = web.AppRunner(app, shutdown_timeout=1)
    await site.setup()
    await web.TCPSite(site, "127.0.0.1", 0).start()
    out, errors = io.StringIO(), io.StringIO()
    try:
        url = f"http://127.0.0.1:{site.addresses[0][1]}"
        assert await chat(url, None, ["refund it"], PlainScreen(out, errors)) == 0
    finally:
        await site.cleanup()
    assert out.getvalue() == "It is paid back.\n"
    assert errors.getvalue() == f"may refund be called? roadworthy decide t --url {url}\n"
