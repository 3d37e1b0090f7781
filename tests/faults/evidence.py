"""What is known after a fault, from everybody who can know something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from acceptance.http_api import Event
from acceptance.tool_desk import ToolCalled
from faults.recipes import Recipe


@dataclass(frozen=True, slots=True)
class Accepted:
    """A task that a client was given a 202 for."""

    id: str
    session_id: str
    agent: str
    message: str
    recipe: Recipe
    owner: str = "dev"


@dataclass(frozen=True, slots=True)
class Change:
    journal: int
    """Entries that the journal had then."""
    attempt: int
    status: str
    reason: str | None
    at: float


@dataclass(frozen=True, slots=True)
class Entry:
    sequence: int
    key: str
    attempt: int
    at: float
    result: str | None = None
    """Of a tool, as it was told the model."""


@dataclass(frozen=True, slots=True)
class StoredTask:
    id: str
    session_id: str
    status: str
    reason: str | None
    output: str | None
    error_code: str | None
    attempt: int
    journal_length: int
    model_calls: int
    """As its owner is told, and billed."""
    changes: Sequence[Change]
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class ModelCalled:
    message: str
    turn: int
    at: float


@dataclass(frozen=True, slots=True)
class Followed:
    """One task as a client saw it that was there all the time, and as one is told who comes afterwards."""

    task_id: str
    seen: Sequence[Event]
    rebuilt: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Evidence:
    accepted: Sequence[Accepted]
    stored: dict[str, StoredTask]
    turns: dict[str, Sequence[str]]
    """Of each session, in order: which task they are of."""
    model_calls: Sequence[ModelCalled]
    tool_calls: Sequence[ToolCalled]
    followed: Sequence[Followed]
    woken: Sequence[tuple[int, float]] = ()
    """Process id and time of each process that had been stopped and went on."""


def longest_wait(evidence: Evidence) -> float:
    """Seconds from `queued` to `running`, of the task that waited longest."""
    waits = [0.0]
    for task in evidence.stored.values():
        for before, after in pairwise(task.changes):
            if (before.status, after.status) == ("queued", "running"):
                waits.append(after.at - before.at)
    return max(waits)
