"""Calls that wait for a person as text: everything that is needed to decide, and the commands to copy."""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from roadworthy.edges.cli.table import ago

_MOST_OF_A_VALUE = 600
_WIDEST_NAME = 40
"""For which the others are moved to stay in a column."""
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def list_lines(answer: Mapping[str, Any], url: str | None = None) -> list[str]:
    """`url` is what the commands in it have to repeat."""
    tasks: Sequence[Mapping[str, Any]] = answer["tasks"]
    if not tasks:
        return ["no call waits for a decision"]
    calls = sum(len(task["waiting_for"]) for task in tasks)
    lines = ["1 call waits for a decision" if calls == 1 else f"{calls} calls wait for a decision"]
    for task in tasks:
        lines += ["", *task_lines(task, url)]
    if answer["next_cursor"] is not None:
        lines += ["", f"more: --cursor {answer['next_cursor']}"]
    return lines


def task_lines(task: Mapping[str, Any], url: str | None = None) -> list[str]:
    """As `list_lines`."""
    whose = f" of {task['tenant']}/{task['user']}" if "tenant" in task else ""
    # Where calls wait, each says by itself what the reason sums up.
    reason = f": {task['reason']}" if task["reason"] and not task["waiting_for"] else ""
    lines = [f"task {task['id']}{whose} on {task['agent']}@{task['version']} is {task['status']}{reason}"]
    if task.get("expires_at") is not None:
        lines.append(f"it expires at {task['expires_at']}{' if nobody decides' if task['waiting_for'] else ''}")
    if task.get("input"):
        lines += ["it was asked:", f"  {_json(task['input'])}"]
    if not task["waiting_for"]:
        lines.append("no call of it waits for a decision")
    for call in task["waiting_for"]:
        lines += ["", *(f"  {line}" for line in call_lines(call)), "", *_commands(task["id"], call, url)]
    return lines


def call_lines(call: Mapping[str, Any]) -> list[str]:
    """What somebody must know who decides about a call."""
    lines = [f"{question(call)}  ({_shortened(call['call_id'])}, {asked_when(call)})"]
    lines += [*argument_lines(call.get("arguments")), *outcome_lines(call)]
    if call.get("words"):
        lines.append(f"why you are asked: {_shortened(call['words'])}")
    if (seconds := seconds_until(call.get("opens_at"))) > 0:
        lines.append(f"it may still be running: it can be decided in {seconds:.0f} s")
    return lines


def question(call: Mapping[str, Any]) -> str:
    tool = _name(call["tool"])
    match call["about"]:
        case "approval":
            return f"may {tool} be called?"
        case "input":
            return f"what is the answer to {tool}?"
        case _:
            return f"did {tool} happen?"


def outcome_lines(call: Mapping[str, Any]) -> list[str]:
    """By what to find it at the service, and what is known of how it went."""
    told = {"idempotency key": call.get("idempotency_key"), "it said": call.get("error")}
    return [f"{what}: {_shortened(text)}" for what, text in told.items() if text]


def asked_when(call: Mapping[str, Any]) -> str:
    began = "started" if call["about"] == "effect" else "asked"
    return f"{began} {ago(call['since'])} in attempt {call['attempt']}"


def argument_lines(arguments: object) -> list[str]:
    """One line an argument; what is long is cut."""
    if not isinstance(arguments, Mapping):
        return [] if arguments is None else [f"  {_json(arguments)}"]
    named = [(_name(name), value) for name, value in cast(Mapping[str, object], arguments).items()]
    width = min(max((len(name) for name, _ in named), default=0), _WIDEST_NAME)
    return [f"  {name.ljust(width)}  {_json(value)}" for name, value in named]


def decided_lines(answer: Mapping[str, Any]) -> list[str]:
    """What was decided, by whom, and what the task does now."""
    by = answer["by"]
    note = f": {answer['note']}" if answer["note"] else ""
    return [
        f"{answer['call_id']} is decided: {answer['decision']} by {by['tenant']}/{by['user']}{note}",
        f"task {answer['task_id']} is {answer['status']}",
    ]


def seconds_until(moment: str | None) -> float:
    if moment is None:
        return 0
    return (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()


def _commands(task_id: str, call: Mapping[str, Any], url: str | None) -> list[str]:
    command = f"    roadworthy decide {task_id} {shlex.quote(call['call_id'])}"
    at = "" if url is None else f" --url {url}"
    return [f"{command} {answer}{at}" for answer in _ANSWERS[call["about"]]]


_ANSWERS = {
    "approval": ("approve", "deny --note 'WHY, FOR THE MODEL'"),
    "input": ("done --value '\"THE ANSWER\"'", "not_done --note 'WHY, FOR THE MODEL'"),
    "effect": ("done --value '\"WHAT IT RETURNED\"'", "not_done --note 'HOW YOU KNOW'"),
}


def _name(name: str) -> str:
    """In quotes where it could be taken for more than a name: models choose names as well."""
    return name if _PLAIN_NAME.fullmatch(name) and len(name) <= _MOST_OF_A_VALUE else _json(name)


def _json(value: object) -> str:
    return _shortened(json.dumps(value, ensure_ascii=False))


def _shortened(text: str) -> str:
    line = "".join(_plain(character) for character in str(text)[: _MOST_OF_A_VALUE + 1])
    if len(text) <= _MOST_OF_A_VALUE:
        return line
    return f"{line[:_MOST_OF_A_VALUE]}… ({len(text)} characters; --json shows all)"


def _plain(character: str) -> str:
    """What can't be seen, or turns the order of what can, would have somebody allow something else than they read."""
    if unicodedata.category(character) in ("Cf", "Cc", "Co", "Zl", "Zp"):
        return f"\\u{ord(character):04x}"
    return character
