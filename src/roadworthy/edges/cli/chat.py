"""`roadworthy chat`: a conversation with a running server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import orjson

from roadworthy.edges.cli.chat_client import ChatClient, Refused, ServerDown, Told
from roadworthy.edges.cli.chat_screen import PlainScreen, Screen, TerminalScreen

DONE, FAILED, UNDECIDED = 0, 1, 2


def run_chat(url: str, agent: str | None) -> int:
    """Chat until the end of the input; the exit code.

    At a terminal Ctrl-C cancels an answer and Ctrl-D ends; otherwise every line of the input is a message and the
    code is 1 if one of them was not answered.
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
    # One run of the loop an answer: at the prompt Ctrl-C must reach input(), in an answer the task.
    with asyncio.Runner() as runner:
        connection = ChatClient.to(url)
        client = runner.run(connection.__aenter__())
        try:
            runner.run(client.check())
            screen = TerminalScreen()
            conversation = Conversation(client, agent, screen)
            screen.note(f"talking to {url}; Ctrl-C cancels an answer, Ctrl-D ends")
            while (message := _prompted()) is not None:
                if message.strip():
                    runner.run(conversation.answer(message))
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


class Conversation:
    """One session with an agent."""

    def __init__(self, client: ChatClient, agent: str | None, screen: Screen) -> None:
        self._client = client
        self._agent = agent
        self._screen = screen
        self._session_id: str | None = None
        self._last = 0
        self._text = ""
        """Of the step under way, or else of the last one."""
        self._step_open = False

    async def answer(self, message: str) -> bool:
        """Send a message and show the answer; whether there was one. Being cancelled cancels the task, too."""
        try:
            receipt = await self._client.submit(message.strip(), self._agent, self._session_id)
        except Refused as error:
            if error.code == "unknown_agent":
                raise
            self._screen.error(f"{error} ({error.code})")
            return False
        self._session_id, task_id = receipt["session_id"], receipt["id"]
        self._last, self._text, self._step_open = 0, "", False
        try:
            return await self._show(task_id)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            self._screen.note("cancelling…")
            await self._client.cancel(task_id)
            await self._show(task_id)
            return False

    async def _show(self, task_id: str) -> bool:
        async for told in self._client.events(task_id, self._last):
            self._last = told.number
            self._tell(told)
            if told.kind == "done":
                return told.data["status"] in ("succeeded", "partial")
        return False

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
            case "status":
                if data["status"] in ("blocked", "waiting") or data.get("reason"):
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
