"""The chat against a server that answers as it is told."""

import asyncio
import io
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web
from rich.console import Console

from roadworthy.edges.cli import chat as chat_module
from roadworthy.edges.cli.chat import Conversation, chat, run_chat
from roadworthy.edges.cli.chat_client import ChatClient, Refused, ServerDown
from roadworthy.edges.cli.chat_screen import PlainScreen, TerminalScreen

Event = tuple[int, str, dict[str, Any]]
CUT = (0, "cut", {})
WAIT = (0, "wait", {})
DONE = (9, "done", {"status": "succeeded", "output": "Hello!"})


class Server:
    """Answers each connection to a task's events with the next script."""

    def __init__(self, *scripts: list[Event]) -> None:
        self.scripts = list(scripts)
        self.submitted: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.cursors: list[str] = []
        self.cancelled = asyncio.Event()
        self.reached = asyncio.Event()
        self.refusal: tuple[int, dict[str, str]] | None = None
        self.unavailable = 0

    async def submit(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers["Idempotency-Key"])
        if self.unavailable:
            self.unavailable -= 1
            return web.json_response({"code": "store_unavailable", "detail": "away"}, status=503)
        if self.refusal is not None:
            return web.json_response(self.refusal[1], status=self.refusal[0])
        self.submitted.append(await request.json())
        return web.json_response({"id": "t", "session_id": "s"}, status=202)

    async def events(self, request: web.Request) -> web.StreamResponse:
        self.cursors.append(request.headers["Last-Event-ID"])
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b":\n\n")
        for number, kind, data in self.scripts.pop(0):
            if kind == "cut":
                request.transport.close()
                return response
            if kind == "wait":
                self.reached.set()
                await self.cancelled.wait()
                continue
            block = f"id: {number}\nevent: {kind}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"
            await response.write(block[:7])
            await response.write(block[7:])
        return response

    async def cancel(self, request: web.Request) -> web.Response:
        self.cancelled.set()
        return web.json_response({"id": "t"}, status=202)

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response({})

    @asynccontextmanager
    async def running(self):
        app = web.Application()
        app.router.add_get("/health", self.health)
        app.router.add_post("/v1/tasks", self.submit)
        app.router.add_get("/v1/tasks/t/events", self.events)
        app.router.add_post("/v1/tasks/t/cancel", self.cancel)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("roadworthy.edges.cli.chat_client._FIRST_PAUSE", 0.001)


async def said(server: Server, *messages: str) -> tuple[int, str, str]:
    out, errors = io.StringIO(), io.StringIO()
    async with server.running() as url:
        code = await chat(url, None, messages, PlainScreen(out, errors))
    return code, out.getvalue(), errors.getvalue()


def text(number: int, piece: str) -> Event:
    return number, "text", {"text": piece}


STEP = (8, "step", {"step": 1})


async def test_a_conversation_keeps_its_session():
    server = Server([text(1, "Hel"), text(2, "lo!"), STEP, DONE], [text(1, "Bye!"), STEP, DONE])
    code, out, errors = await said(server, "hi\n", "\n", "bye\n")
    assert (code, errors) == (0, "")
    assert out == "Hello!\nBye!\nHello!\n"
    assert server.submitted == [{"input": "hi"}, {"input": "bye", "session_id": "s"}]
    assert len(set(server.keys)) == 2


async def test_an_output_that_was_not_streamed_is_shown():
    code, out, _ = await said(Server([(9, "done", {"status": "succeeded", "output": {"total": 7}})]), "hi")
    assert (code, orjson.loads(out)) == (0, {"total": 7})


async def test_only_the_last_start_of_a_step_counts():
    _, out, _ = await said(Server([text(1, "Wro"), (2, "restart", {}), text(3, "Hello!"), STEP, DONE]), "hi")
    assert out == "Hello!\n"


async def test_thinking_and_tools_are_not_the_answer():
    tools = [
        (3, "tool_call", {"tool": "find", "arguments": {}}),
        (4, "tool_result", {"tool": "find", "outcome": "done"}),
    ]
    _, out, _ = await said(Server([(1, "thinking", {"text": "hm"}), *tools, text(5, "Hello!"), STEP, DONE]), "hi")
    assert out == "Hello!\n"


async def test_a_broken_connection_goes_on_where_it_was():
    server = Server([text(5, "Hel"), CUT], [CUT], [text(7, "lo!"), STEP, DONE])
    code, out, _ = await said(server, "hi")
    assert (code, out) == (0, "Hello!\n")
    assert server.cursors == ["0", "5", "5"]


async def test_a_stream_that_ends_without_done_goes_on():
    server = Server([text(5, "Hel")], [text(7, "lo!"), STEP, DONE])
    assert (await said(server, "hi"))[1] == "Hello!\n"
    assert server.cursors == ["0", "5"]


async def test_a_submit_that_may_have_happened_is_sent_again_under_its_key():
    server = Server([STEP, DONE])
    server.unavailable = 2
    assert (await said(server, "hi"))[0] == 0
    assert len(server.keys) == 3
    assert len(set(server.keys)) == 1


async def test_a_task_that_fails_makes_the_exit_code():
    dead = {"status": "dead", "reason": "failed 4 times", "output": None, "error": {"code": "x", "message": "y"}}
    code, out, errors = await said(Server([(9, "done", dead)], [STEP, DONE]), "hi", "again")
    assert (code, out, errors) == (1, "Hello!\n", "dead: failed 4 times\n")


async def test_a_refused_message_is_told_and_the_next_one_sent():
    server = Server()
    server.refusal = (413, {"code": "input_too_large", "detail": "input is larger than 256 KiB"})
    code, _, errors = await said(server, "hi")
    assert (code, errors) == (1, "input is larger than 256 KiB (input_too_large)\n")


async def test_an_unknown_agent_ends_the_chat():
    server = Server()
    server.refusal = (422, {"code": "unknown_agent", "detail": "there is no agent 'x' here; choose one of: support"})
    with pytest.raises(Refused, match="choose one of: support"):
        await said(server, "hi")


async def test_cancelling_an_answer_cancels_its_task():
    cancelled = {"status": "cancelled", "output": "Hel", "reason": "cancelled"}
    server = Server([text(1, "Hel"), WAIT], [(9, "done", cancelled)])
    out, errors = io.StringIO(), io.StringIO()
    async with server.running() as url, ChatClient.to(url) as client:
        conversation = Conversation(client, None, PlainScreen(out, errors))
        answering = asyncio.create_task(conversation.answer("hi"))
        await server.reached.wait()
        while not conversation._last:  # noqa: ASYNC110  sockets are as fast as they are
            await asyncio.sleep(0)
        answering.cancel()
        assert await answering is False
        assert server.cancelled.is_set()
    assert server.cursors == ["0", "1"]
    assert (out.getvalue(), errors.getvalue()) == ("Hel\n", "cancelled: cancelled\n")


async def test_a_server_that_is_gone_is_given_up_in_the_end():
    server = Server([text(1, "Hel"), CUT])
    async with server.running() as url, ChatClient.to(url) as client:
        client._patience = 0.01
        events = client.events("t")
        assert (await anext(events)).data == {"text": "Hel"}
        server.scripts += [[CUT]] * 20
        with pytest.raises(ServerDown):
            await anext(events)


def test_no_server_is_said_clearly(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("hi\n"))
    assert run_chat("http://127.0.0.1:9", None) == 1
    errors = capsys.readouterr().err
    assert "Nothing answers at http://127.0.0.1:9" in errors
    assert "roadworthy serve" in errors


def test_an_address_that_is_none(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("hi\n"))
    assert run_chat("localhost", None) == 2
    assert "http://127.0.0.1:8080" in capsys.readouterr().err


def terminal(width: int = 20, height: int = 5) -> tuple[TerminalScreen, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, height=height, soft_wrap=True, color_system=None)
    return TerminalScreen(console), out


def test_a_restart_clears_what_was_shown_of_the_step():
    screen, out = terminal()
    screen.text("one line", thinking=False)
    screen.restart()
    assert out.getvalue() == "one line\r\x1b[J"
    screen, out = terminal()
    screen.text("a line of 25 characters..\nand one more", thinking=False)
    screen.restart()
    assert out.getvalue().endswith("\r\x1b[2A\x1b[J")


def test_a_restart_that_cannot_clear_says_so():
    screen, out = terminal(height=3)
    screen.text("1\n2\n3\n4", thinking=False)
    screen.restart()
    screen.text("again", thinking=False)
    assert "\x1b[" not in out.getvalue().replace("\x1b[0m", "")
    assert "broke off" in out.getvalue()
    screen, out = terminal(height=30, width=80)
    screen.text("half an ans", thinking=False)
    screen.note("· queued: the worker went away")
    screen.restart()
    assert out.getvalue().splitlines()[-1].strip() == "that broke off; once more from the start:"


def test_thoughts_and_answer_stand_apart():
    screen, out = terminal(width=80)
    screen.text("hm", thinking=True)
    screen.text("well", thinking=True)
    screen.text("Hel", thinking=False)
    screen.text("lo", thinking=False)
    screen.step_ended()
    assert out.getvalue().replace("\x1b[2;3m", "").replace("\x1b[0m", "") == "hmwell\nHello\n"


def test_agents_do_not_steer_the_terminal():
    screen, out = terminal()
    screen.text("a\x1b]0;owned\x07b\x9bc\r\n\td", thinking=False)
    screen.note("x\x1b[2J")
    screen.error("y\x1b[2J")
    assert "\x1b" not in out.getvalue()
    assert "\x9b" not in out.getvalue()


def test_the_exit_codes_are_those_of_every_command():
    assert (chat_module.DONE, chat_module.FAILED, chat_module.UNDECIDED) == (0, 1, 2)
