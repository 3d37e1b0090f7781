"""What people are asked about a tool call, and what they answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from roadworthy.domain.journal import EntryKind, JournalEntry, generation_of, key_in, within
from roadworthy.domain.principal import Principal

About = Literal["approval", "input", "effect"]
"""`approval`: may it be called? `input`: what is its answer? `effect`: it was started; did it happen?"""


class Verdict(StrEnum):
    """The `decision` of a request."""

    APPROVE = "approve"
    """Call it; a value takes the place of its arguments."""
    DENY = "deny"
    """Don't; the model is told so, with the note."""
    DONE = "done"
    """It happened, or somebody else did it: the value is its result."""
    NOT_DONE = "not_done"
    """It did not happen, and will not; the model is told so, with the note."""


PERMISSION = frozenset({Verdict.APPROVE, Verdict.DENY})
"""Answers to whether a call may be made; the others say what came of it."""

FITTING: Mapping[About, frozenset[Verdict]] = {
    "approval": PERMISSION,
    "input": frozenset({Verdict.DONE, Verdict.NOT_DONE}),
    "effect": frozenset({Verdict.DONE, Verdict.NOT_DONE}),
}
"""Which answers a question takes."""


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call that somebody has to decide about."""

    call_id: str
    """The key that the call's result will have in the journal (`t3:call_abc`): public."""
    about: About
    tool: str
    arguments: Any
    """As JSON types."""
    since: float
    """Seconds since 1970, by the store's clock: when it was started, or asked for."""
    attempt: int
    """Of the task, that started it or asked."""
    detail: Mapping[str, Any]
    """What else is known: `words` (why somebody is asked), `error` (what the tool said), `seconds` (its time limit),
    `key` (its idempotency key, once it was started)."""


@dataclass(frozen=True, slots=True)
class NewDecision:
    call_id: str
    verdict: Verdict
    value: bytes | None
    """JSON: the arguments to call it with (APPROVE), or the result (DONE)."""
    note: str | None
    by: Principal
    reason: str | None = None
    """What a task says that goes on with it."""
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Of the action that is recorded where an operator decides."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision as it was kept, for ever. A call has two at most: one that was allowed, was started and did not come
    back has its effect decided as well."""

    call_id: str
    verdict: Verdict
    value: bytes | None
    note: str | None
    by_tenant: str
    by_user: str
    at: float
    """Seconds since 1970, by the store's clock."""

    def answers(self, verdict: Verdict) -> bool:
        """Whether it decides what that verdict would decide."""
        return (self.verdict in PERMISSION) is (verdict in PERMISSION)


def standing(decisions: Iterable[Decision], generation: int) -> dict[str, Decision]:
    """By call, what holds in this generation: what came of a call counts for more than that it was allowed."""
    present = (decision for decision in decisions if generation_of(decision.call_id) == generation)
    return {decision.call_id: decision for decision in sorted(present, key=lambda one: one.verdict not in PERMISSION)}


def result_key(entry: JournalEntry) -> str:
    """The key of the result of the call that a STARTED, HEARD or ASKED entry tells of."""
    # Not where the last "/" is: the call's id may hold some.
    own = entry.name.removeprefix(place := within(entry)).removeprefix("/")
    return key_in(entry.generation, f"{place}/t{own[1:]}" if place else f"t{own[1:]}")


def pending_calls(entries: Iterable[JournalEntry], generation: int) -> list[PendingCall]:
    """The calls of a generation that were started, or asked about, and have no result; in order."""
    found: dict[str, PendingCall] = {}
    for entry in sorted(entries, key=lambda entry: entry.sequence):
        if entry.generation != generation:
            continue
        if entry.kind is EntryKind.TOOL:
            found.pop(entry.key, None)
        elif entry.kind is EntryKind.HEARD:
            if (started := found.get(call_id := result_key(entry))) is not None:
                found[call_id] = replace(started, detail={**started.detail, "error": entry.detail["error"]})
        elif entry.kind in (EntryKind.STARTED, EntryKind.ASKED):
            call = _pending(entry)
            earlier = found.get(call.call_id)
            if earlier is not None and earlier.about == call.about == "effect":
                call = _said_more(earlier, call)
            found[call.call_id] = call
    return list(found.values())


def _pending(entry: JournalEntry) -> PendingCall:
    detail = entry.detail
    return PendingCall(
        call_id=result_key(entry),
        about="effect" if entry.kind is EntryKind.STARTED else detail["about"],
        tool=detail["tool"],
        arguments=detail.get("arguments"),
        since=entry.at,
        attempt=entry.attempt,
        detail={name: detail[name] for name in ("words", "error", "seconds", "key") if name in detail},
    )


def _said_more(started: PendingCall, asked: PendingCall) -> PendingCall:
    """When it was started, and what became known of it since."""
    return PendingCall(
        started.call_id,
        "effect",
        started.tool,
        started.arguments,
        started.since,
        started.attempt,
        {**started.detail, **asked.detail},
    )
