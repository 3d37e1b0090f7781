"""What was said of answers, as people and routers read it."""

from __future__ import annotations

from roadworthy.core.insight.page import Page, cursor_after, id_of_cursor
from roadworthy.domain.grade import Grade, GradedSession
from roadworthy.domain.ids import TaskId
from roadworthy.domain.principal import Principal
from roadworthy.ports.grades import GradedFilter, Grades

MOST_CHARACTERS = 8000
"""Of a session's first message: routers read no more."""


class GradeReader:
    def __init__(self, grades: Grades) -> None:
        self._grades = grades

    async def feedback(self, principal: Principal, task_id: TaskId) -> Grade | None:
        """What the user himself said of his task; NotFound if it isn't his."""
        given = await self._grades.of_task(principal, task_id)
        return next((grade for grade in given if grade.source == "user"), None)

    async def sessions(
        self, operator: Principal, filter: GradedFilter, limit: int, cursor: str | None
    ) -> Page[GradedSession]:
        """Newest first. IllegalCursor, NotAllowed."""
        before = None if cursor is None else id_of_cursor(cursor)
        found = await self._grades.sessions(operator, filter, limit, before, characters=MOST_CHARACTERS)
        return Page(found, cursor_after(found[-1].id) if len(found) == limit else None)
