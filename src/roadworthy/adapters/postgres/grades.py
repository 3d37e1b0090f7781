"""Grades in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby

from roadworthy.adapters.postgres import rows
from roadworthy.adapters.postgres.action_record import ActionRecord
from roadworthy.adapters.postgres.failures import translated
from roadworthy.adapters.postgres.pool import Pool
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.adapters.postgres.rows import Row
from roadworthy.domain.errors import NoAnswer, NotFound
from roadworthy.domain.grade import Grade, GradedSession, GradedTask, NewGrade
from roadworthy.domain.ids import SessionId, TaskId
from roadworthy.domain.operator_action import ActionKind, ActionTarget
from roadworthy.domain.principal import Principal, check_operator
from roadworthy.ports.grades import GradedFilter


class PostgresGrades:
    """A `Grades`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("grades")
        self._actions = ActionRecord()

    @translated
    async def give(self, principal: Principal, task_id: TaskId, grade: NewGrade) -> Grade:
        own = grade.source == "user"
        if not own:
            check_operator(principal)
        note = rows.storable(grade.note)
        async with self._pool.transaction() as transaction:
            found = await transaction.fetch(
                self._queries["give"],
                task_id,
                principal.tenant if own else None,
                principal.user if own else None,
                grade.source,
                grade.mark,
                grade.enough,
                note,
                principal.user,
            )
            if not found:
                raise NotFound
            lane, at = found[0]
            if at is None:
                raise NoAnswer
            if not own:
                detail = {"source": grade.source, "grade": grade.mark, "tier": grade.enough}
                target = ActionTarget(detail, task_id, lane)
                await self._actions.write(transaction, principal, ActionKind.LABEL, [target], note)
        return Grade(task_id, grade.source, grade.mark, grade.enough, note, principal.user, at.timestamp())

    @translated
    async def of_task(self, principal: Principal, task_id: TaskId) -> Sequence[Grade]:
        found = await self._pool.fetch(self._queries["of_task"], task_id, principal.tenant, principal.user)
        if not found:
            raise NotFound
        return [_grade(row) for row in found if row[0] is not None]

    @translated
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
        since = None if filter.since is None else datetime.fromtimestamp(filter.since, UTC)
        found = await self._pool.fetch(self._queries["sessions"], limit, before, filter.agent, since, characters)
        return [_session(list(graded)) for _, graded in groupby(found, key=lambda row: row[0])]


def _session(graded: Sequence[Row]) -> GradedSession:
    """From the rows of one session, task by task."""
    tasks = [
        GradedTask(tier, tuple(_grade(row[4:]) for row in of_task))
        for (_, tier), of_task in groupby(graded, key=lambda row: (row[4], row[3]))
    ]
    return GradedSession(graded[0][0], graded[0][1], graded[0][2], tuple(tasks))


def _grade(row: Row) -> Grade:
    return Grade(row[0], row[1], row[2], row[3], row[4], row[5], row[6].timestamp())
