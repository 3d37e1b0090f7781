"""What a task's tools have done to the world, and what they may have done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roadworthy.core.insight.steps import STARTED

UNKNOWN = "unknown"
_NOTHING_HAPPENED = ("not_done", "denied")


@dataclass(frozen=True, slots=True)
class DoneEffect:
    """A call of a tool that is not declared `read`."""

    generation: int
    step: int
    tool: str | None
    call_id: str | None
    arguments: Any
    effect: str | None
    """`once`, `idempotent`, or None where nobody here knows."""
    outcome: str
    """`done`, `failed`, `fallback`, or `unknown`: it may have happened or not."""
    result: Any


EffectOf = Callable[[str], str | None]
"""A tool's declared effect, as far as it is known here."""


def effects_of(steps: Iterable[Mapping[str, Any]], effect_of: EffectOf) -> list[DoneEffect]:
    """In order, over all generations; `steps` are those of `steps_of`."""
    return [
        DoneEffect(
            generation=step["generation"],
            step=step["step"],
            tool=call.get("tool"),
            call_id=call.get("call_id"),
            arguments=call.get("arguments"),
            effect=effect,
            outcome=UNKNOWN if call.get("outcome") in (None, STARTED) else call["outcome"],
            result=call.get("result"),
        )
        for step in steps
        for call, effect in _with_effect(step, effect_of)
    ]


def _with_effect(step: Mapping[str, Any], effect_of: EffectOf) -> list[tuple[Mapping[str, Any], str | None]]:
    unanswered = unanswered_calls(step)
    found: list[tuple[Mapping[str, Any], str | None]] = []
    for call in step["tool_calls"]:
        effect = call.get("effect") or effect_of(call.get("tool") or "")
        outcome = call.get("outcome")
        if "same_as" in call:
            continue  # the first call is listed
        # A `once` call has no entry at all only if it was never begun.
        if effect == "read" or outcome in _NOTHING_HAPPENED or (outcome is None and effect == "once"):
            continue
        if outcome is not None or call in unanswered:
            found.append((call, effect))
    return found


def unanswered_calls(step: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Calls that were asked for or begun and have no result.

    A plain function answers a model's calls under ids of its own: such answers count by the tool's name.
    """
    calls: Sequence[Mapping[str, Any]] = step["tool_calls"]
    asked = [call for call in calls if call.get("outcome") is None]
    begun = [call for call in calls if call.get("outcome") == STARTED]
    answered_otherwise = Counter(call.get("tool") for call in calls if "#" in str(call.get("call_id")))
    left: list[Mapping[str, Any]] = []
    for call in asked:
        if answered_otherwise[call.get("tool")]:
            answered_otherwise[call.get("tool")] -= 1
        else:
            left.append(call)
    return [*left, *begun]
