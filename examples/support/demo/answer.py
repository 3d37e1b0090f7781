"""Asks one question and shows everything that happens until the answer is complete."""

import json
import time
from dataclasses import dataclass
from typing import Any

from examples.support.demo.api_client import ApiClient
from examples.support.demo.event_stream import Event
from rich.console import Console
from rich.text import Text


@dataclass(slots=True)
class Answer:
    """What was seen of one task."""

    session_id: str = ""
    text_events: int = 0
    tool_results: int = 0
    status: str = "unknown"
    reason: str = ""


async def ask(
    client: ApiClient, console: Console, question: str, session_id: str | None = None, free: bool = False
) -> Answer:
    """Submits the question, follows its events and prints them as they come; `free` models have no price."""
    console.print(Text.assemble(("You     ", "bold"), question))
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
    finally:
        waiting.stop()
    seconds = time.monotonic() - started
    task = await client.task(accepted["id"])
    console.print(Text(f"        {_usage(task['usage'], free)} · {seconds:.1f} s\n", "dim"))
    return shown.answer


class _Shown:
    def __init__(self, console: Console, answer: Answer) -> None:
        self.console = console
        self.answer = answer
        self._in_text = False

    def show(self, event: Event) -> None:
        match event.kind:
            case "text":
                self._text(event.data["text"])
            case "restart":
                self._line("        (a worker was lost; the answer starts again)", "dim")
            case "tool_call":
                arguments = _arguments(event.data.get("arguments"))
                self._line(f"Tool    {event.data['tool']}({arguments})", "cyan")
            case "tool_result":
                self.answer.tool_results += 1
                for line in _plain(event.data.get("result")).splitlines():
                    self._line(f"        {line}", "dim cyan")
            case "approval":
                self._line("        waits for a person's decision", "yellow")
            case "done":
                self._done(event.data)
            case _:
                pass

    def _text(self, text: str) -> None:
        if not self._in_text:
            self.console.print(Text("Agent   ", "bold green"), end="")
            self._in_text = True
        self.answer.text_events += 1
        self.console.print(text, end="", markup=False, highlight=False, soft_wrap=True)

    def _line(self, text: str, style: str) -> None:
        self._end_text()
        self.console.print(Text(text, style))

    def _end_text(self) -> None:
        if self._in_text:
            self.console.print()
            self._in_text = False

    def _done(self, data: dict[str, Any]) -> None:
        self._end_text()
        self.answer.status = data["status"]
        self.answer.reason = str(data.get("reason") or data.get("error") or "")
        if data["status"] != "succeeded":
            self._line(f"        ended {self.answer.status}: {self.answer.reason}", "yellow")


def _arguments(arguments: Any) -> str:
    if isinstance(arguments, str):
        arguments = json.loads(arguments)
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in (arguments or {}).items())


def _plain(result: Any) -> str:
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)


def _usage(usage: dict[str, Any], free: bool) -> str:
    price = "$0 (local model, no price)" if free else f"${usage['cost_usd']}"
    return (
        f"{usage['model_calls']} model calls · {usage['tool_calls']} tool calls · "
        f"{usage['input_tokens']} tokens read, {usage['output_tokens']} written · {price}"
    )
