"""Grades in memory."""

from __future__ import annotations

from collections.abc import Sequence

from roadworthy.adapters.memory.database import MemoryDatabase, SessionRow
from roadworthy.adapters.memory.task_row import TaskRow
from roadworthy.domain.errors import NoAnswer, NotFound
from roadworthy.domain.grade import Grade, GradedSession, GradedTask, NewGrade
from roadworthy.domain.ids import SessionId, TaskId
from roadworthy.domain.operator_action import ActionKind, ActionTarget
from roadworthy.domain.principal import Principal, check_operator
from roadworthy.domain.task import TaskStatus
from roadworthy.ports.grades import GradedFilter

_ANSWERED = frozenset({TaskStatus.SUCCEEDED, TaskStatus.PARTIAL})


class MemoryGrades:
    """A `Grades` over a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def give(self, principal: Principal, task_id: TaskId, grade: NewGrade) -> Grade:
        if grade.source != "user":
            check_operator(principal)
        return await self._database.run("grades.give", lambda: self._give(principal, task_id, grade))

    async def of_task(self, principal: Principal, task_id: TaskId) -> Sequence[Grade]:
        return await self._database.run(
            "grades.of_task", lambda: _by_source(self._database.task_of(principal, task_id))
        )

    async def sessions(
        self,
        operator: Principal,
        filter: GradedFilter,
        limit: int,
        before: SessionId | None = None,
        *,
        characters: int,
    ) -> Sequence[GradedSession]:
        check_operator(operator)

        def page() -> list[GradedSession]:
            rows = sorted(self._database.sessions.values(), key=lambda row: row.id, reverse=True)
            found = [self._graded(row, characters) for row in rows if before is None or row.id < before]
            return [one for one in found if one.tasks and _matches(one, filter)][:limit]

        return await self._database.run("grades.sessions", page)

    def _give(self, principal: Principal, task_id: TaskId, grade: NewGrade) -> Grade:
        database = self._database
        row = database.task_of(principal, task_id) if grade.source == "user" else database.tasks.get(task_id)
        if row is None:
            raise NotFound
        if grade.mark is not None and not (row.status in _ANSWERED and row.output is not None):
            raise NoAnswer
        given = Grade(task_id, grade.source, grade.mark, grade.enough, grade.note, principal.user, database.now())
        row.grades[grade.source] = given
        if grade.source != "user":
            target = ActionTarget(
                {"source": grade.source, "grade": grade.mark, "tier": grade.enough}, task_id, row.lane
            )
            database.record_actions(principal, ActionKind.LABEL, [target], grade.note)
        return given

    def _graded(self, session: SessionRow, characters: int) -> GradedSession:
        tasks = self._database.tasks_of_session(session.id)
        graded = tuple(GradedTask(row.tier, tuple(_by_source(row))) for row in tasks if row.grades)
        agent, text = (tasks[0].new.agent, tasks[0].new.input[:characters]) if tasks else ("", "")
        return GradedSession(session.id, agent, text, graded)


def _by_source(row: TaskRow) -> list[Grade]:
    return [grade for _, grade in sorted(row.grades.items())]


def _matches(session: GradedSession, filter: GradedFilter) -> bool:
    newest = max(grade.at for task in session.tasks for grade in task.grades)
    return (filter.agent is None or session.agent == filter.agent) and (filter.since is None or newest >= filter.since)
