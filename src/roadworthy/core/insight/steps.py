"""A task's journal as people read it: its model calls, and under each the tool calls it led to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from roadworthy.domain.event import EventKind
from roadworthy.domain.journal import EntryKind, JournalEntry, within
from roadworthy.domain.money import dollars

STARTED = "started"
"""Outcome of a call that was begun and has not come back."""

_Steps = dict[tuple[int, str, int], dict[str, Any]]
"""By generation, the call within which an agent made them, and number."""


def steps_of(entries: Sequence[JournalEntry]) -> list[dict[str, Any]]:
    """`[{generation, step, model, at, seconds, usage, cost_usd, saved_usd, text, tool_calls: [{call_id, tool,
    arguments, effect, outcome, result, seconds, …}]}]`, in order; a tool call outside every model call stands under a
    step without `model`. A service with tiers adds `tier` and `routed_by`. A reply that a cache gave names the `cache`;
    one that took several calls of providers lists its `tries`, `[{model, failure, seconds, cost_usd, uncertain?,
    simplified?}]`; one that nobody counted the tokens of is `uncertain`, and costs its estimate; one that was too long
    for the money says why it was `cut`. Steps of an agent that a tool ran say
    `within` which call: `t3:call_abc/a1`.
    """
    steps: _Steps = {}
    routed_by: dict[int, str] = {}
    for entry in entries:
        match entry.kind:
            case EntryKind.MODEL:
                _add_model_call(steps, entry, routed_by.get(entry.generation))
            case EntryKind.STARTED:
                call = _add(steps, entry, "tool", "effect", "arguments")
                call.setdefault("outcome", STARTED)
                if "key" in entry.detail:
                    call["idempotency_key"] = entry.detail["key"]
            case EntryKind.HEARD:
                _add(steps, entry, "error")
            case EntryKind.ASKED:
                _add(steps, entry, "tool", "effect", "arguments", "about", "words", "error")
            case EntryKind.TOOL:
                _add(
                    steps,
                    entry,
                    "tool",
                    "effect",
                    "arguments",
                    "outcome",
                    "result",
                    "seconds",
                    "cut",
                    "decision",
                    "same_as",
                )
            case EntryKind.WHOLE | EntryKind.OFFERED:
                pass
            case EntryKind.INPUT:
                if "why" in entry.detail:
                    routed_by[entry.generation] = entry.detail["why"]
    return list(steps.values())


def _add_model_call(steps: _Steps, entry: JournalEntry, routed_by: str | None) -> None:
    detail = entry.detail
    text = "".join(piece for kind, piece in detail.get("pieces", ()) if kind == EventKind.TEXT)
    steps[entry.generation, within(entry), detail["step"]] = {
        "generation": entry.generation,
        **_place(entry),
        "step": detail["step"],
        "model": detail.get("model"),
        **({"tier": detail["tier"], "routed_by": routed_by} if "tier" in detail else {}),
        "version": detail.get("version"),
        "attempt": entry.attempt,
        "at": entry.at,
        "seconds": detail.get("seconds"),
        "usage": detail.get("usage", {}),
        "cost_usd": dollars(detail.get("cost", 0)),
        "saved_usd": dollars(detail.get("saved", 0)),
        "text": text or None,
        **_made_by(detail),
        "tool_calls": [dict(call) for call in detail.get("tool_calls", ())],
    }


def _made_by(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Which cache answered, or which calls of providers it took, where that was more than one."""
    shown: dict[str, Any] = {"cache": detail["cache"]} if "cache" in detail else {}
    if tries := detail.get("tries"):
        shown["tries"] = [
            {name: value for name, value in one.items() if name != "cost"} | {"cost_usd": dollars(one["cost"])}
            for one in tries
        ]
    if "uncertain" in detail:
        shown["uncertain"] = True
    if "cut" in detail:
        shown["cut"] = detail["cut"]["message"]
    return shown


def _add(steps: _Steps, entry: JournalEntry, *names: str) -> dict[str, Any]:
    call = _tool_call(steps, entry)
    call.update((name, entry.detail[name]) for name in names if name in entry.detail)
    return call


def _tool_call(steps: _Steps, entry: JournalEntry) -> dict[str, Any]:
    """The call that an entry of a tool belongs to: the one of the model's reply, or a new one."""
    number, call_id = _call_of(entry)
    place = (entry.generation, within(entry), number)
    empty: dict[str, Any] = {"generation": entry.generation, **_place(entry), "step": number, "tool_calls": []}
    calls: list[dict[str, Any]] = steps.setdefault(place, empty)["tool_calls"]
    for call in calls:
        if call.get("call_id") == call_id:
            return call
    calls.append({"call_id": call_id})
    return calls[-1]


def _place(entry: JournalEntry) -> dict[str, str]:
    return {"within": place} if (place := within(entry)) else {}


def _call_of(entry: JournalEntry) -> tuple[int, str]:
    """Step and call id; a name is like `t3:call_abc`."""
    step, _, call_id = entry.name.removeprefix(within(entry)).removeprefix("/").partition(":")
    number = entry.detail.get("step", int(step[1:]) if step[1:].isdigit() else 0)
    return number, entry.detail.get("call_id", call_id)
