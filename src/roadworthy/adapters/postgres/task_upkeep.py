"""The upkeep of tasks in PostgreSQL.

What changes sessions first looks for candidates without locks, then locks those sessions that nobody else works on,
and looks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from roadworthy.adapters.postgres import reasons, rows
from roadworthy.adapters.postgres.failures import translated
from roadworthy.adapters.postgres.partial_output import PartialOutput
from roadworthy.adapters.postgres.pool import Pool
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.adapters.postgres.rows import Row
from roadworthy.adapters.postgres.session_wall import SessionWall, sessions_of
from roadworthy.domain.errors import LeaseLost
from roadworthy.domain.event import MAX_ATTEMPTS
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.task import OCCUPYING, Task


class PostgresTaskUpkeep:
    """A `TaskUpkeep`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("task_upkeep")
        self._wall = SessionWall()
        self._partial_output = PartialOutput()

    @translated
    async def rescue_expired_leases(self, max_retries: int, limit: int, apart_seconds: float = 30) -> Sequence[Task]:
        return await self._end_in_sessions(
            await self._pool.fetch(self._queries["lost_tasks"], limit),
            "rescue_expired_leases",
            max_retries,
            MAX_ATTEMPTS,
            reasons.CANCELLED,
            reasons.LEASE_LOST_TOO_OFTEN,
            reasons.LEASE_LOST,
            LeaseLost.code,
            apart_seconds,
            reasons.INTERRUPTED,
        )

    @translated
    async def release_due_tasks(self, limit: int) -> Sequence[Task]:
        async with self._pool.transaction() as transaction:
            due = [rows.task(row) for row in await transaction.fetch(self._queries["release_due_tasks"], limit)]
            await self._wall.enqueue(transaction, due)
        return due

    @translated
    async def release_blocked_tasks(self, limit: int) -> Sequence[Task]:
        free: list[UUID] = [row[0] for row in await self._pool.fetch(self._queries["free_sessions"], limit)]
        if not free:
            return []
        async with self._pool.transaction() as transaction:
            locked = await self._wall.lock_unlocked(transaction, free)
            return await self._wall.release_next(transaction, locked)

    @translated
    async def expire_tasks(self, limit: int) -> Sequence[Task]:
        return await self._end_in_sessions(
            await self._pool.fetch(self._queries["overdue_tasks"], limit),
            "expire_tasks",
            reasons.NO_DECISION,
            reasons.NO_WORKER,
            reasons.NO_TURN,
            reasons.RESUMED_NO_DECISION,
            reasons.RESUMED_NO_WORKER,
            reasons.RESUMED_NO_TURN,
            FailureClass.WAITED_TOO_LONG.value,
        )

    @translated
    async def lanes_with_work(self) -> Sequence[str]:
        return [row[0] for row in await self._pool.fetch(self._queries["lanes_with_work"])]

    async def _end_in_sessions(self, candidates: Sequence[Row], query: str, *values: object) -> list[Task]:
        """Run the query on the candidates (id, session id); it changes those that still are what they were."""
        if not candidates:
            return []
        async with self._pool.transaction() as transaction:
            locked = await self._wall.lock_unlocked(transaction, (row[1] for row in candidates))
            ids: list[UUID] = [row[0] for row in candidates if row[1] in locked]
            changed = [rows.task(row) for row in await transaction.fetch(self._queries[query], ids, *values)]
            changed = await self._partial_output.keep(transaction, changed)
            left = sessions_of(task for task in changed if task.status not in OCCUPYING)
            released = await self._wall.release_next(transaction, left, changed)
        return [*changed, *released]
