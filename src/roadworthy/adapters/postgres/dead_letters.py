"""Dead tasks in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from roadworthy.adapters.postgres import rows
from roadworthy.adapters.postgres.action_record import ActionRecord
from roadworthy.adapters.postgres.failures import translated
from roadworthy.adapters.postgres.pool import Pool, Transaction
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.adapters.postgres.rows import Row
from roadworthy.adapters.postgres.session_wall import SessionWall
from roadworthy.domain.errors import NotFound
from roadworthy.domain.ids import TaskId
from roadworthy.domain.operator_action import ActionKind, ActionTarget
from roadworthy.domain.principal import Principal, check_operator
from roadworthy.domain.task import Task, TaskStatus, lane_of
from roadworthy.ports.dead_letters import (
    ChangedMeanwhile,
    DeadCount,
    DeadFilter,
    Discard,
    Discarded,
    Resume,
    Resumed,
)


class PostgresDeadLetters:
    """A `DeadLetters`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("dead_letters")
        self._wall = SessionWall()
        self._actions = ActionRecord()

    @translated
    async def list(
        self,
        operator: Principal,
        filter: DeadFilter,
        limit: int = 50,
        beyond: TaskId | None = None,
        *,
        oldest_first: bool = False,
    ) -> Sequence[Task]:
        check_operator(operator)
        query = self._queries["oldest" if oldest_first else "newest"]
        return [rows.task(row) for row in await self._planned(query, *_values(filter), beyond, limit)]

    @translated
    async def count(self, operator: Principal, filter: DeadFilter) -> Sequence[DeadCount]:
        check_operator(operator)
        return [DeadCount(*row) for row in await self._planned(self._queries["count"], *_values(filter))]

    @translated
    async def find(self, operator: Principal, task_id: TaskId) -> Task:
        check_operator(operator)
        return await self._find(self._pool, task_id)

    @translated
    async def resume(self, operator: Principal, resume: Resume) -> Resumed | ChangedMeanwhile:
        check_operator(operator)
        seen = resume.task
        async with self._pool.transaction() as transaction:
            await self._wall.lock(transaction, seen.session_id)
            found = await transaction.fetch(
                self._queries["resume"],
                seen.id,
                seen.session_id,
                len(seen.changes),
                resume.reason,
                resume.input,
                rows.limits_text(resume.limits),
                resume.version,
                lane_of(seen.agent, resume.version),
                resume.from_start,
                resume.limits.queue_seconds,
            )
            if not found:
                return ChangedMeanwhile(await self._find(transaction, seen.id))
            task, served = rows.task(found[0]), found[0][-1]
            await self._wall.enqueue(transaction, [task])
            released: list[Task] = []
            if task.status is TaskStatus.BLOCKED:
                # A crash may have left blocked tasks in a free session: this one waits behind them, and they go on now.
                released = await self._wall.release_next(transaction, [seen.session_id])
            target = ActionTarget(resume.detail, seen.id, task.lane)
            await self._actions.write(transaction, operator, ActionKind.RESUME, [target], resume.note)
        return Resumed(task, released[0] if released else None, served)

    @translated
    async def discard(self, operator: Principal, discard: Discard) -> Discarded | ChangedMeanwhile:
        check_operator(operator)
        seen = discard.task
        async with self._pool.transaction() as transaction:
            found = await transaction.fetch(self._queries["discard"], seen.id, len(seen.changes), discard.reason)
            if not found:
                return ChangedMeanwhile(await self._find(transaction, seen.id))
            target = ActionTarget(discard.detail, seen.id, seen.lane)
            await self._actions.write(transaction, operator, ActionKind.DISCARD, [target], discard.note)
        return Discarded(rows.task(found[0]))

    async def _planned(self, query: str, *values: object) -> Sequence[Row]:
        """Planned for these values. A plan for any filter reads and sorts all dead tasks for each page: eighty times
        as long at 100,000 of them."""
        async with self._pool.transaction() as transaction:
            await transaction.execute("set local plan_cache_mode = force_custom_plan")
            return await transaction.fetch(query, *values)

    async def _find(self, connection: Pool | Transaction, task_id: TaskId) -> Task:
        found = await connection.fetch(self._queries["find"], task_id)
        if not found:
            raise NotFound
        return rows.task(found[0])


def _values(filter: DeadFilter) -> tuple[object, ...]:
    """In the order of the parameters of `newest.sql`, `oldest.sql` and `count.sql`."""
    return (
        filter.agent,
        filter.version,
        filter.code,
        filter.tenant,
        filter.user,
        _moment(filter.since),
        _moment(filter.until),
    )


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
