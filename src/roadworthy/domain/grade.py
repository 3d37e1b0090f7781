"""What somebody says of an answer: a user's thumb, an operator's label, an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from roadworthy.domain.errors import InvalidRequest
from roadworthy.domain.ids import SessionId, TaskId
from roadworthy.domain.route import Tier

Mark = Literal["good", "bad"]
MARKS: tuple[Mark, ...] = ("good", "bad")

GradeSource = Literal["user", "operator", "eval"]
MOST_NOTE_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class NewGrade:
    """A grade as it is given. InvalidRequest if it says nothing, or with a note that is too long to keep."""

    source: GradeSource
    mark: Mark | None = None
    enough: Tier | None = None
    """The cheapest tier that would have been enough."""
    note: str | None = None

    def __post_init__(self) -> None:
        if self.mark is None and self.enough is None:
            raise InvalidRequest('a grade needs a grade ("good" or "bad") or a tier')
        if self.note is not None and len(self.note) > MOST_NOTE_CHARACTERS:
            raise InvalidRequest(f"note is longer than {MOST_NOTE_CHARACTERS:,} characters")
        if self.note is not None and "\0" in self.note:
            raise InvalidRequest("note has a NUL character (U+0000), which can't be stored")


@dataclass(frozen=True, slots=True)
class Grade:
    """One for each task and source: the last one given."""

    task_id: TaskId
    source: GradeSource
    mark: Mark | None
    enough: Tier | None
    note: str | None
    given_by: str
    """The user who gave it."""
    at: float
    """Seconds since 1970, by the store's clock."""


@dataclass(frozen=True, slots=True)
class GradedTask:
    tier: Tier | None
    """Whose models answered it."""
    grades: tuple[Grade, ...]


@dataclass(frozen=True, slots=True)
class GradedSession:
    """A session with grades, as a router learns from it."""

    id: SessionId
    agent: str
    """Of its first task."""
    text: str
    """Its first message, cut as the reader asked."""
    tasks: tuple[GradedTask, ...]
    """Those that were graded, oldest first."""
