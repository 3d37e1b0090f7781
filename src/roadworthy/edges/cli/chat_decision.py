"""Asks the person at the terminal about a call that waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from roadworthy.edges.cli.chat_screen import Screen
from roadworthy.edges.cli.decide_screen import argument_lines, outcome_lines, question, seconds_until

Prompt = Callable[[str, str], str]
"""Asks for a line, given words and what the line begins with. EOFError at the end of the input, KeyboardInterrupt for
Ctrl-C."""

_CHOICES = {
    "approval": "approve, deny, edit or later? [a/d/e/l] ",
    "input": "answer, not done or later? [a/n/l] ",
    "effect": "it happened, it did not, or later? [y/n/l] ",
}


def asked_decision(call: Mapping[str, Any], screen: Screen, prompt: Prompt) -> dict[str, Any] | None:
    """What the person decides, as the API wants it; None for later, which is also the end of the input."""
    _tell(call, screen)
    while True:
        try:
            choice = prompt(_CHOICES[call["about"]], "").strip().lower()
            match call["about"], choice:
                case _, "l" | "later":
                    return None
                case "approval", "a" | "approve":
                    return _decision(call, "approve")
                case "approval", "d" | "deny":
                    return _decision(call, "deny", note=prompt("why, for the model: ", ""))
                case "approval", "e" | "edit":
                    present = orjson.dumps(call.get("arguments")).decode()
                    return _decision(call, "approve", value=orjson.loads(prompt("arguments, as JSON: ", present)))
                case "input", "a" | "answer":
                    return _decision(call, "done", value=_json_or_text(prompt("the answer: ", "")))
                case "effect", "y" | "yes":
                    return _decision(call, "done", value=_json_or_text(prompt("what it returned: ", "")))
                case "input" | "effect", "n" | "no":
                    return _decision(call, "not_done", note=prompt("why, for the model: ", ""))
                case _:
                    pass
        except orjson.JSONDecodeError as error:
            screen.note(f"that is no JSON: {error}")
        except EOFError:
            return None


def _tell(call: Mapping[str, Any], screen: Screen) -> None:
    screen.question(question(call))
    for line in (*argument_lines(call.get("arguments")), *outcome_lines(call)):
        screen.question(line)
    if call["about"] == "effect":
        screen.question("it was started and did not come back: look at the service before you answer")
        if (seconds := seconds_until(call.get("opens_at"))) > 0:
            screen.question(f"it may still be running: it can be decided in {seconds:.0f} s")


def _decision(call: Mapping[str, Any], decision: str, **more: Any) -> dict[str, Any]:
    given = {name: value for name, value in more.items() if name == "value" or value.strip()}
    return {"call_id": call["call_id"], "decision": decision, **given}


def _json_or_text(line: str) -> Any:
    """At a prompt nobody quotes what is only words."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return line
