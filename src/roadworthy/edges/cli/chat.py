"""`roadworthy chat`: a conversation with a running server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping
from contextlib import aclosing, suppress
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import orjson

from roadworthy.domain.errors import DecidedBefore, NotPending
from roadworthy.edges.cli.chat_client import ChatClient, Refused, ServerDown, Told
from roadworthy.edges.cli.chat_decision import Prompt, asked_decision
from roadworthy.edges.cli.chat_screen import PlainScreen, Screen, TerminalScreen
from roadworthy.edges.cli.decide_commands import given
from roadworthy.edges.cli.decide_screen import question
from roadworthy.edges.cli.operator_command import printable

DONE, FAILED, UNDECIDED = 0, 1, 2


def run_chat(url: str, agent: str | None) -> int:
    """Chat until the end of the input; the exit code.

    At a terminal Ctrl-C cancels an answer, Ctrl-D ends, and calls that wait for a person are asked about; otherwise
    every line of the input is a message and the code is 1 if one of them was not answered.
    """
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.netloc:
        print(f"{url!r} is no address of a server; it looks like http://127.0.0.1:8080", file=sys.stderr)
        return UNDECIDED
    try:
        if sys.stdin.isatty() and sys.stdout.isatty():
            return _chat_at_terminal(url, agent)
        return asyncio.run(chat(url, agent, sys.stdin, PlainScreen()))
    except ServerDown as error:
        print(f"Nothing answers at {url} ({error}).", file=sys.stderr)
        print("Start a server in another terminal: roadworthy serve shop.py:service", file=sys.stderr)
        return FAILED
    except Refused as error:
        print(f"{error} ({error.code})", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return FAILED


async def chat(url: str, agent: str | None, messages: Iterable[str], screen: Screen) -> int:
    """Send each message when the one before it is answered; 1 if one of them was not answered, else 0."""
    async with ChatClient.to(url) as client:
        await client.check()
        conversation = Conversation(client, agent, screen)
        answers = [await conversation.answer(message) for message in messages if message.strip()]
        return DONE if all(answers) else FAILED


def _chat_at_terminal(url: str, agent: str | None) -> int:
    with suppress(ImportError):
        import_module("readline")  # gives input() its line editing, where there is one
    # One run of the loop an answer, or the part of it up to a decision: at a prompt Ctrl-C must reach input(), in an
    # answer the task.
    with asyncio.Runner() as runner:
        connection = ChatClient.to(url)
        client = runner.run(connection.__aenter__())
        try:
            runner.run(client.check())
            screen = TerminalScreen()
            conversation = Conversation(client, agent, screen, asks=True)
            screen.note(f"talking to {url}; Ctrl-C cancels an answer, Ctrl-D ends")
            while (message := _prompted()) is not None:
                if message.strip():
                    runner.run(conversation.answer(message))
                    ask_about_calls(runner, conversation, screen, _asked)
            return DONE
        finally:
            runner.run(connection.__aexit__(None, None, None))


def _prompted() -> str | None:
    """A line of the user; None at the end of the input."""
    try:
        return input("> ")
    except EOFError:
        print()
        return None
    except KeyboardInterrupt:
        print()
        return ""


def ask_about_calls(runner: asyncio.Runner, conversation: Conversation, screen: Screen, prompt: Prompt) -> None:
    """Ask about each call that the answer waits for, until it is there or goes on waiting."""
    while conversation.waiting_for:
        try:
            decision = asked_decision(conversation.waiting_for[0], screen, prompt)
        except KeyboardInterrupt:
            print()
            runner.run(conversation.cancel())
            return
        if decision is None:
            conversation.leave()
            return
        runner.run(conversation.decide(decision))


def _asked(words: str, beginning: str) -> str:
    """A line of the user that may begin with something to change, where there is line editing."""
    readline = sys.modules.get("readline")
    if not beginning or readline is None:
        return input(f"  {words}")
    readline.set_startup_hook(lambda: readline.insert_text(beginning))
    try:
        return input(f"  {words}")
    finally:
        readline.set_startup_hook()


class Conversation:
    """One session with an agent."""

    waiting_for: list[dict[str, Any]]
    """The calls that the last message's task waits for a person to decide; only where `asks`. The answer goes on with
    `decide`, is given up with `cancel`, or left to somebody else with `leave`."""

    def __init__(self, client: ChatClient, agent: str | None, screen: Screen, *, asks: bool = False) -> None:
        self._client = client
        self._agent = agent
        self._screen = screen
        self._asks = asks
        self.waiting_for = []
        self._session_id: str | None = None
        self._task_id = ""
        self._last = 0
        self._text = ""
        """Of the step under way, or else of the last one."""
        self._step_open = False

    async def answer(self, message: str) -> bool:
        """Send a message and show the answer; whether there was one by now. Being cancelled cancels the task, too."""
        try:
            receipt = await self._client.submit(message.strip(), self._agent, self._session_id)
        except Refused as error:
            if error.code == "unknown_agent":
                raise
            self._screen.error(f"{error} ({error.code})")
            return False
        self._session_id, self._task_id = receipt["session_id"], receipt["id"]
        self._last, self._text, self._step_open, self.waiting_for = 0, "", False, []
        return await self._show_or_cancel()

    async def decide(self, decision: Mapping[str, Any]) -> bool:
        """Say what shall be with a call that waits, and go on as `answer` once none does."""
        try:
            await self._client.decide(self._task_id, decision)
        except Refused as error:
            self._screen.note(str(error))
            if error.code not in (NotPending.code, DecidedBefore.code):
                return False
        self.waiting_for = [call for call in self.waiting_for if call["call_id"] != decision["call_id"]]
        return False if self.waiting_for else await self._show_or_cancel()

    async def cancel(self) -> None:
        """Give the answer up."""
        self.waiting_for = []
        self._screen.note("cancelling…")
        await self._client.cancel(self._task_id)
        await self._show()

    def leave(self) -> None:
        """Let the answer wait."""
        self.waiting_for = []
        self._screen.note(f"it goes on waiting, and so does this conversation: {self._how_to_decide()}")

    def _how_to_decide(self) -> str:
        at = "" if (url := given(self._client.url)) is None else f" --url {url}"
        return f"roadworthy decide {self._task_id}{at}"

    async def _show_or_cancel(self) -> bool:
        try:
            return await self._show()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            await self.cancel()
            return False

    async def _show(self) -> bool:
        async with aclosing(self._client.events(self._task_id, self._last)) as events:
            async for told in events:
                self._last = told.number
                self._tell(told)
                if told.kind == "done":
                    return told.data["status"] in ("succeeded", "partial")
                if told.kind == "status" and told.data["status"] == "waiting":
                    await self._see_what_waits(told.data)
                    if self.waiting_for:
                        return False
        return False

    async def _see_what_waits(self, status: dict[str, Any]) -> None:
        task = await self._client.task(self._task_id)
        # Somebody else may have decided since.
        calls: list[dict[str, Any]] = task.get("waiting_for", []) if task["status"] == "waiting" else []
        if not calls:
            self._screen.note(f"· waiting{_because(status)}")
        if self._asks:
            self.waiting_for = calls
        else:
            for call in calls:
                self._screen.error(printable(f"{question(call)} {self._how_to_decide()}"))

    def _tell(self, told: Told) -> None:
        data = told.data
        match told.kind:
            case "text" | "thinking":
                if not self._step_open:
                    self._step_open, self._text = True, ""
                if told.kind == "text":
                    self._text += data["text"]
                self._screen.text(data["text"], thinking=told.kind == "thinking")
            case "restart":
                self._text = ""
                self._screen.restart()
            case "step":
                self._step_open = False
                self._screen.step_ended()
            case "tool_call":
                self._screen.note(f"· {data['tool']} {_compact(data.get('arguments'))}")
            case "tool_result":
                self._screen.note(f"· {data['tool']} → {data.get('outcome')} {_compact(data.get('result'))}")
            case "approval":
                self._screen.note(f"· {data['tool']} waits for a decision{_because({'reason': data.get('words')})}")
            case "status":
                if data["status"] == "blocked" or (data.get("reason") and data["status"] != "waiting"):
                    self._screen.note(f"· {data['status']}{_because(data)}")
            case "done":
                self._tell_end(data)
            case _:
                pass

    def _tell_end(self, data: dict[str, Any]) -> None:
        output = data.get("output")
        if output is not None:
            text = output if isinstance(output, str) else orjson.dumps(output, option=orjson.OPT_INDENT_2).decode()
            if text.strip() != self._text.strip():
                if self._step_open:
                    self._screen.restart()
                self._screen.text(text, thinking=False)
        self._screen.step_ended()
        if data["status"] != "succeeded":
            self._screen.error(f"{data['status']}{_because(data)}")


def _because(data: dict[str, Any]) -> str:
    error: dict[str, Any] = data.get("error") or {}
    reason = data.get("reason") or error.get("message")
    return f": {reason}" if reason else ""


def _compact(value: object) -> str:
    return "" if value is None else orjson.dumps(value).decode()
