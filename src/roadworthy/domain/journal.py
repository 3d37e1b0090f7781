"""The journal: what a task has done, in order; a new attempt replays it instead of doing it again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from roadworthy.domain.task import Fence


class EntryKind(StrEnum):
    INPUT = "input"
    """Entry 0: what the task started from."""
    MODEL = "model"
    """A model's reply."""
    STARTED = "started"
    """A `once` tool call is about to happen; without a TOOL entry of the same call its effect is unknown."""
    TOOL = "tool"
    """A tool's result, or the error that the model was told."""


@dataclass(frozen=True, slots=True)
class EntryWrite:
    """An entry on its way into the journal."""

    fence: Fence
    key: str
    """Unique in its task: `input`, `m3`, `t3:call_abc`, `s3:call_abc`."""
    kind: EntryKind
    payload: bytes
    """What the framework needs to replay it."""
    detail: bytes
    """JSON object for people and event streams; its fields are listed in `domain/event.py`."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A committed entry."""

    sequence: int
    """Rising from 0 within the task; a gap means nothing."""
    key: str
    kind: EntryKind
    attempt: int
    payload: bytes
    detail: dict[str, Any]
    at: float
    """Seconds since 1970, by the store's clock."""


@dataclass(frozen=True, slots=True)
class Appended:
    """The entry is committed. Writing it again after a lost acknowledgement gives the same answer."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The entry was not written: a newer attempt owns the task, or the task is not running."""


@dataclass(frozen=True, slots=True)
class NotStorable:
    """The entry (or the new task) itself can't be stored, now or later; its neighbours are not affected."""

    message: str
