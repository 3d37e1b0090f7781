"""What users, operators and evaluations say of answers; routers learn from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from roadworthy.domain.grade import Grade, GradedSession, NewGrade
from roadworthy.domain.ids import SessionId, TaskId
from roadworthy.domain.principal import Principal


@dataclass(frozen=True, slots=True)
class GradedFilter:
    """Which sessions with grades; None means any."""

    agent: str | None = None
    """Of their first task."""
    since: float | None = None
    """One of their grades was given then or later, in seconds since 1970."""


class Grades(Protocol):
    async def give(self, principal: Principal, task_id: TaskId, grade: NewGrade) -> Grade:
        """Keep it in the place of the one that the same source gave before.

        A user grades his own tasks, an operator or an evaluation anybody's: NotAllowed for them without the scope
        `operator`, and recorded as an action. NotFound for a task that isn't there or isn't the user's, NoAnswer for
        a mark where the task has no answer.
        """
        ...

    async def of_task(self, principal: Principal, task_id: TaskId) -> Sequence[Grade]:
        """By source. NotFound if the task isn't there or isn't the principal's."""
        ...

    async def sessions(
        self,
        operator: Principal,
        filter: GradedFilter,
        limit: int,
        before: SessionId | None = None,
        *,
        characters: int,
    ) -> Sequence[GradedSession]:
        """Newest session first, with at most so many characters of its first message; `before` is the last of the page
        before. NotAllowed for a principal without the scope `operator`."""
        ...
