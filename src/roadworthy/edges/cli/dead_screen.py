"""Dead tasks as text: what people read in a terminal or a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from roadworthy.domain.failure_class import FailureClass
from roadworthy.edges.cli.table import ago, columns

_MOST_OF_A_LINE = 300
_MOST_MESSAGES = 10


def list_lines(page: Mapping[str, Any], url: str | None = None) -> list[str]:
    """`url` is what the commands in it have to repeat."""
    lines: list[str] = []
    if (counts := page["counts"]) is not None:
        lines += [f"{_plural(counts['total'], 'dead task')}{':' if counts['by'] else ''}"]
        lines += [
            f"  {each['count']:>6}  {each['code'] or 'no error'}  ({each['agent']}@{each['version']})"
            for each in counts["by"]
        ]
    if page["tasks"]:
        rows = [("ID", "DIED", "LANE", "USER", "STEP", "ERROR"), *map(_row, page["tasks"])]
        lines += ["", *columns(rows), "", f"all about one: roadworthy dead show ID{_at(url)}"]
    if page["next_cursor"] is not None:
        lines += ["", f"more: --cursor {page['next_cursor']}"]
    return lines


def letter_lines(letter: Mapping[str, Any], url: str | None = None) -> list[str]:
    """As `list_lines`."""
    lane = f"{letter['agent']}@{letter['version']}"
    who = f"{letter['tenant']}/{letter['user']}"
    lines = [
        f"task {letter['id']} of {who} on {lane}: {letter['status']}",
        f"session {letter['session_id']}, attempt {letter['attempt']}, generation {letter['generation']}, "
        f"died {ago(letter['died_at'])} ({letter['died_at']})",
    ]
    if letter["reason"]:
        lines += ["", f"why: {letter['reason']}"]
    if letter["advice"]:
        lines += [f"next: {letter['advice']}"]
    lines += _section("conversation before it", _history(letter["history"]))
    lines += _section("input", letter["input"].splitlines())
    lines += _section("steps", [line for step in letter["steps"] for line in _step(step)])
    lines += _section("what its tools have done", effect_lines(letter["effects"]))
    usage, limits = letter["usage"], letter["limits"]
    lines += _section(
        "used",
        [
            f"${usage['cost_usd']} of ${limits['cost_usd']}, {usage['steps']} of {limits['steps']} steps, "
            f"{letter['running_seconds']:g} of {limits['total_seconds']:g} s running, "
            f"{usage['input_tokens']} tokens in, {usage['output_tokens']} out"
        ],
    )
    lines += _section("changes", [_change(change) for change in letter["changes"]])
    lines += _section("operators", [line for action in letter["actions"] for line in _action(action)])
    if letter["status"] == "dead":
        lines += ["", f"go on: roadworthy dead resume {letter['id']}{_options(letter)}{_at(url)}"]
        lines += [f"give up: roadworthy dead discard {letter['id']}{_at(url)}"]
    return lines


def effect_lines(effects: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line for each call that did something, or may have."""
    return [
        _cut(
            f"{effect['tool']}({_compact(effect['arguments'])}) in step {effect['step']}"
            f"{_generation(effect)}: {_happened(effect)}"
        )
        for effect in effects
    ]


def done_lines(done: Mapping[str, Any]) -> list[str]:
    reason = f": {done['reason']}" if done["reason"] else ""
    return [f"{done['id']} is {done['status']}{reason}", *(f"  note: {n}" for n in done["notices"])]


def batch_lines(batch: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for task in batch["tasks"]:
        problem = task.get("problem")
        because = f": {problem['detail']} ({problem['code']})" if problem else ""
        lines.append(_cut(f"{task['id']}  {task['agent']}@{task['version']}  {task['outcome']}{because}"))
        lines += [f"  note: {notice}" for notice in task["notices"]]
    return lines


def summary_line(tasks: Sequence[Mapping[str, Any]], interrupted: bool) -> str:
    counted = Counter(task["outcome"] for task in tasks)
    told = ", ".join(f"{count} {outcome}" for outcome, count in counted.items()) or "no dead task matches"
    if interrupted:
        told += "; the store went away: repeat the command, what was done is not done again"
    return told


def _at(url: str | None) -> str:
    return "" if url is None else f" --url {url}"


def _options(letter: Mapping[str, Any]) -> str:
    """What the advice wants of the command."""
    error: Mapping[str, Any] = letter.get("error") or {}
    code = error.get("code")
    if code not in FailureClass.__members__.values():
        return ""
    if FailureClass(code).needs_new_version:
        return " --version NEW"
    if code == FailureClass.WAITED_TOO_LONG and [change["status"] for change in letter["changes"][-2:-1]] == [
        "waiting"
    ]:
        return " --limit waiting_seconds=SECONDS"
    return " --input TEXT" if code == FailureClass.CONTENT_REFUSED else ""


def _row(task: Mapping[str, Any]) -> tuple[str, ...]:
    error: Mapping[str, Any] = task["error"] or {}
    return (
        task["id"],
        ago(task["died_at"]),
        f"{task['agent']}@{task['version']}",
        f"{task['tenant']}/{task['user']}",
        str(error.get("step", "")),
        _cut(f"{error.get('code', '')}: {error.get('message', task['reason'] or '')}", 100),
    )


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _history(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    left_out = len(messages) - _MOST_MESSAGES
    shown = messages[-_MOST_MESSAGES:]
    lines = [_cut(f"{message['role']}: {_words(message['content'])}") for message in shown]
    return [f"({left_out} earlier messages)", *lines] if left_out > 0 else lines


def _step(step: Mapping[str, Any]) -> list[str]:
    parts = [f"step {step['step']}{_generation(step)}", step.get("model") or ""]
    if "cost_usd" in step:
        parts.append(f"${step['cost_usd']}")
    mark = "  << failed" if step["failed"] else ""
    lines = ["  ".join(filter(None, parts)) + mark]
    if step.get("text"):
        lines.append(_cut(f"  {_words(step['text'])}"))
    for call in step["tool_calls"]:
        outcome = call.get("outcome") or "no result"
        result = f" {_compact(call['result'])}" if "result" in call else ""
        lines.append(_cut(f"  {call.get('tool')}({_compact(call.get('arguments'))}) -> {outcome}{result}"))
    return lines


def _change(change: Mapping[str, Any]) -> str:
    reason = f": {change['reason']}" if change["reason"] else ""
    return _cut(f"{change['at']}  {change['status']}{reason}")


def _action(action: Mapping[str, Any]) -> list[str]:
    note = f": {action['note']}" if action["note"] else ""
    lines = [f"{action['at']}  {action['action']} by {action['tenant']}/{action['operator']}{note}"]
    if "input_before" in action["detail"]:
        lines.append(_cut(f"  input before: {_words(action['detail']['input_before'])}"))
    return lines


def _happened(effect: Mapping[str, Any]) -> str:
    if effect["outcome"] == "unknown":
        return "unknown, it may have happened or not"
    return f"{effect['outcome']} {_compact(effect['result'])}"


def _generation(of: Mapping[str, Any]) -> str:
    return f" of generation {of['generation']}" if of["generation"] else ""


def _words(content: object) -> str:
    return content if isinstance(content, str) else _compact(content)


def _compact(value: object) -> str:
    return "" if value is None else orjson.dumps(value).decode()


def _cut(text: str, most: int = _MOST_OF_A_LINE) -> str:
    line = " ".join(text.splitlines())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
