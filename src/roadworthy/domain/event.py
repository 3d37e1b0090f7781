"""Events as clients see them: numbered so that one cursor works on every server.

A number says where its event stands, it is not counted:

    bits   15 journal | 10 attempt | 6 try | 22 place       (53 in all: exact in a JSON number)

`journal` is how many entries were committed. `try` is 0 for the start of an attempt, 1 to 62 for text of that
try of a model call, where `place` counts the characters up to the end of the piece, and 63 for what ends an
attempt, where `place` counts status changes. Events of a committed entry have attempt and try 0.

Details of journal entries (`JournalEntry.detail`):

    model     {step, model, pieces: [[kind, text], …], text_at: [journal, attempt, try] (where it was streamed),
              tool_calls: [{call_id, tool, arguments}], usage: {input_tokens, …}, cost, seconds}
    tool      {step, call_id, tool, effect, outcome (`domain/effect.py`), result, seconds, arguments (unless the effect
              is `read`), cut: its size in bytes before it was cut, decision: {verdict, by, note, at},
              same_as: the name of the entry whose result it is, where an equal call was done before, reconciled: true
              where the tool's `reconcile` function said so}
    started   {step, call_id, tool, effect, arguments, key (its idempotency key), seconds (its time limit)}
    heard     {step, call_id, tool, effect, error}
    asked     {step, call_id, tool, effect, arguments, about (`domain/decision.py`), words, error, by_tool: true where
              the tool itself asks}
    whole     {step, call_id, tool}
    offered   {step, server, tools: [name, …]}

Events of a generation above 0 say so (`generation`): its steps are counted from 1 again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from roadworthy.domain.decision import result_key
from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import EntryKind, JournalEntry, within
from roadworthy.domain.task import LIFE_ENDS, StatusChange, TaskStatus

JOURNAL_BITS, ATTEMPT_BITS, TRY_BITS, PLACE_BITS = 15, 10, 6, 22
START, FIRST_TRY, LAST_TRY, END = 0, 1, 62, 63
MAX_ENTRIES = 2**JOURNAL_BITS - 1
MAX_ATTEMPTS = 2**ATTEMPT_BITS - 1


class EventKind(StrEnum):
    STATUS = "status"
    THINKING = "thinking"
    TEXT = "text"
    RESTART = "restart"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    STEP = "step"
    APPROVAL = "approval"
    DONE = "done"


class Place(NamedTuple):
    """An event number taken apart."""

    journal: int
    attempt: int
    try_: int
    place: int

    @property
    def number(self) -> int:
        return ((self.journal << 10 | self.attempt) << 6 | self.try_) << 22 | self.place

    @classmethod
    def of(cls, number: int) -> Place:
        return cls(number >> 38, number >> 28 & 0x3FF, number >> 22 & 0x3F, number & 0x3FFFFF)


MAX_NUMBER = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Event:
    number: int
    kind: EventKind
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Position:
    """How much of a task is behind an event: entries in the journal, changes of status."""

    journal: int
    changes: int


@dataclass(frozen=True, slots=True)
class EventRecord:
    """What is published at once for one task.

    A reader whose position is not `before` has missed something and reads the store.
    """

    task_id: TaskId
    before: Position
    after: Position
    events: tuple[Event, ...]
    text_end: int | None = None
    """Where a finished model call's text ended: a reader that has less of it reads the store."""

    @property
    def number(self) -> int:
        return self.events[-1].number


def changed_number(journal_length: int, attempt: int, changes: int, status: TaskStatus) -> int:
    """The number of a change of status, given what the task had before it (`attempt` already counted)."""
    if status is TaskStatus.RUNNING:
        return Place(journal_length, attempt, START, 0).number
    return Place(journal_length, attempt, END, changes).number


def status_event(change: StatusChange, result: Mapping[str, Any] | None = None) -> Event:
    """`status`, or `done` where a life of the task ends; `result` adds output, error and usage to `done`."""
    data: dict[str, Any] = {"status": change.status.value}
    if change.reason:
        data["reason"] = change.reason
    if change.status not in LIFE_ENDS:
        return Event(change.number, EventKind.STATUS, data)
    return Event(change.number, EventKind.DONE, data | dict(result or {}))


def entry_events(entry: JournalEntry) -> tuple[Event, ...]:
    """The durable events of a committed entry: the same from the live log and from the journal."""
    number = Place(entry.sequence + 1, 0, 0, 0).number
    detail = entry.detail
    of: dict[str, Any] = {"generation": entry.generation} if entry.generation else {}
    if place := within(entry):
        of["within"] = place
    match entry.kind:
        case EntryKind.MODEL:
            step = of | {name: detail[name] for name in ("step", "model", "usage", "seconds") if name in detail}
            calls = detail.get("tool_calls", ())
            return (
                Event(number, EventKind.STEP, step),
                *(Event(number + 1 + i, EventKind.TOOL_CALL, of | call) for i, call in enumerate(calls)),
            )
        case EntryKind.TOOL:
            shown = ("call_id", "tool", "outcome", "result", "seconds", "cut", "decision")
            result = of | {name: detail[name] for name in shown if name in detail}
            return (Event(number, EventKind.TOOL_RESULT, result),)
        case EntryKind.ASKED:
            shown = ("about", "tool", "arguments", "words", "error")
            asked = of | {"call_id": result_key(entry)} | {name: detail[name] for name in shown if name in detail}
            return (Event(number, EventKind.APPROVAL, asked),)
        case EntryKind.INPUT | EntryKind.STARTED | EntryKind.HEARD | EntryKind.WHOLE | EntryKind.OFFERED:
            return ()


def text_end_of(entry: JournalEntry) -> int | None:
    """The number of the last piece of text that led to this entry, None where it has none."""
    pieces = entry.detail.get("pieces")
    if not pieces or "text_at" not in entry.detail:
        return None
    journal, attempt, try_ = entry.detail["text_at"]
    return Place(journal, attempt, try_, sum(len(text) for _, text in pieces)).number


def text_events(entry: JournalEntry, after: int) -> Iterator[Event]:
    """The text of a model entry for a client at `after`: the rest of it, or `restart` and all of it."""
    end = text_end_of(entry)
    if end is None or end <= after:
        return
    place, cursor = Place.of(end), Place.of(after)
    seen = cursor.place if cursor[:3] == place[:3] else 0
    if not seen and cursor.journal == place.journal and (place.attempt, place.try_) != (1, FIRST_TRY):
        yield Event(place._replace(place=0).number, EventKind.RESTART, {})
    position = 0
    for kind, text in entry.detail["pieces"]:
        rest = text[max(seen - position, 0) :]
        position += len(text)
        if rest:
            yield Event(place._replace(place=position).number, EventKind(kind), {"text": rest})


def rebuilt_events(
    changes: Sequence[StatusChange],
    entries: Sequence[JournalEntry],
    after: int,
    result: Mapping[str, Any] | None = None,
) -> list[Event]:
    """Every event above `after`, from what the store knows; `result` belongs to the last `done`."""
    events = [status_event(change, result if change is changes[-1] else None) for change in changes]
    for entry in entries:
        events.extend(text_events(entry, after))
        events.extend(entry_events(entry))
    return sorted((event for event in events if event.number > after), key=lambda event: event.number)
