"""Asks one question and shows everything that happens until the answer is complete."""

import json
import time
from dataclasses import dataclass
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from examples.support.demo.api_client import ApiClient
from examples.support.demo.event_stream import Event

MARGIN = 8  # characters


@dataclass(slots=True)
class Answer:
    """What was seen of one task."""

    session_id: str = ""
    text_events: int = 0
    tool_results: int = 0
    decided_by: tuple[str, ...] = ()
    """Who allowed its tool calls, or did not."""
    status: str = "unknown"
    reason: str = ""


class WhenWaiting(Protocol):
    async def __call__(self, task_id: str) -> None:
        """What is done while a task waits for a person."""


async def ask(
    client: ApiClient,
    console: Console,
    question: str,
    session_id: str | None = None,
    *,
    free: bool = False,
    when_waiting: WhenWaiting | None = None,
) -> Answer:
    """Submits the question, follows its events and prints them as they come; `free` models have no price."""
    print_row(console, "You", question)
    started = time.monotonic()
    accepted = await client.submit(question, session_id)
    shown = _Shown(console, Answer(session_id=accepted["session_id"]))
    waiting = console.status("", spinner="dots")
    waiting.start()
    try:
        async for event in client.events(accepted["id"]):
            if event.kind in ("text", "done"):
                waiting.stop()
            shown.show(event)
            if when_waiting and event.kind == "status" and event.data["status"] == "waiting":
                await when_waiting(accepted["id"])
    finally:
        waiting.stop()
    seconds = time.monotonic() - started
    task = await client.task(accepted["id"])
    print_row(console, "", f"{_usage(task['usage'], free)} · {seconds:.1f} s", "dim")
    console.print()
    return shown.answer


def print_row(console: Console, label: str, text: str, style: str = "") -> None:
    """A label and a text beside it that keeps its margin when it wraps."""
    row = Table.grid()
    row.add_column(width=MARGIN)
    row.add_column(overflow="fold")
    row.add_row(Text(label, f"bold {style}".strip()), Text(text, style))
    console.print(row)


class _Shown:
    def __init__(self, console: Console, answer: Answer) -> None:
        self.console = console
        self.answer = answer
        self._in_text = False
        self._in_step = False
        """Text of the step under way is on the screen."""

    def show(self, event: Event) -> None:
        match event.kind:
            case "text":
                self._text(event.data["text"])
            case "restart":
                if self._in_step:
                    self._row("", "(the answer starts again)", "dim")
                    self._in_step = False
            case "step":
                self._in_step = False
            case "tool_call":
                arguments = _arguments(event.data.get("arguments"))
                self._row("Tool", f"{event.data['tool']}({arguments})", "cyan")
            case "tool_result":
                self.answer.tool_results += 1
                if decision := event.data.get("decision"):
                    self.answer.decided_by += (decision["by"],)
                self._row("", _plain(event.data.get("result")), "dim cyan")
            case "approval":
                self._row("", "waits until somebody decides: may it be called?", "yellow")
            case "done":
                self._done(event.data)
            case _:
                pass

    def _text(self, text: str) -> None:
        if not self._in_text:
            self.console.print(Text("Agent".ljust(MARGIN), "bold green"), end="")
            self._in_text = True
        self._in_step = True
        self.answer.text_events += 1
        self.console.print(text, end="", markup=False, highlight=False, soft_wrap=True)

    def _row(self, label: str, text: str, style: str) -> None:
        self._end_text()
        print_row(self.console, label, text, style)

    def _end_text(self) -> None:
        if self._in_text:
            self.console.print()
            self._in_text = False

    def _done(self, data: dict[str, Any]) -> None:
        self._end_text()
        self.answer.status = data["status"]
        self.answer.reason = str(data.get("reason") or data.get("error") or "")
        if data["status"] != "succeeded":
            self._row("", f"ended {self.answer.status}: {self.answer.reason}", "yellow")


def _arguments(arguments: Any) -> str:
    if isinstance(arguments, str):
        arguments = json.loads(arguments)
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in (arguments or {}).items())


def _plain(result: Any) -> str:
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)


def _usage(usage: dict[str, Any], free: bool) -> str:
    price = "$0 (local model, no price)" if free else f"${usage['cost_usd']}"
    return (
        f"{_count(usage['model_calls'], 'model call')} · {_count(usage['tool_calls'], 'tool call')} · "
        f"{usage['input_tokens']} tokens in, {usage['output_tokens']} out · {price}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
