"""Tasks in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from roadworthy.adapters.postgres import pool as connections
from roadworthy.adapters.postgres import reasons, rows
from roadworthy.adapters.postgres.failures import translated
from roadworthy.adapters.postgres.partial_output import PartialOutput
from roadworthy.adapters.postgres.pool import Pool
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.adapters.postgres.queue_front import QueueFront
from roadworthy.adapters.postgres.session_wall import SessionWall
from roadworthy.adapters.postgres.settling import Settling
from roadworthy.adapters.postgres.submission import Submission
from roadworthy.domain.errors import NotFound
from roadworthy.domain.ids import TaskId
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import OCCUPYING, Claimed, NewTask, Settlement, Task, TaskStatus, check_transition
from roadworthy.ports.task_store import (
    Changed,
    KeyReused,
    Settled,
    SettleRefused,
    SubmitOutcome,
    SubmittedBefore,
    TaskFilter,
)


class PostgresTaskStore:
    """A `TaskStore`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("task_store")
        self._wall = SessionWall()
        self._partial_output = PartialOutput()
        self._front = QueueFront()
        self._submission = Submission(pool, self._queries, self._wall)
        self._settling = Settling(pool, self._queries, self._wall)

    @translated
    async def submit(self, tasks: Sequence[NewTask]) -> list[SubmitOutcome]:
        return await self._submission.submit(tasks)

    @translated
    async def submitted_before(
        self, principal: Principal, idempotency_key: str, request_digest: bytes
    ) -> SubmittedBefore | KeyReused | None:
        values = (principal.tenant, principal.user, idempotency_key)
        found = await self._pool.fetch(self._queries["submitted_before"], *values)
        if not found:
            return None
        return SubmittedBefore(rows.task(found[0])) if found[0][-1] == request_digest else KeyReused()

    @translated
    async def claim(self, worker_id: UUID, lanes: Sequence[str], limit: int) -> list[Claimed]:
        if limit < 1:
            return []
        wanted = list(dict.fromkeys(lanes))
        begins = self._front.begins(wanted)
        found = await self._pool.fetch(self._queries["claim"], worker_id, wanted, limit, reasons.CONTINUED, begins)
        claimed = [_claimed(row) for row in found]
        for one, row in zip(claimed, found, strict=True):
            self._front.claimed(one.task.lane, one.task.priority, row[-3])
        return claimed

    @translated
    async def claimed_by(self, worker_id: UUID, known: Sequence[TaskId]) -> list[Claimed]:
        found = await self._pool.fetch(self._queries["claimed_by"], worker_id, list(known))
        return [_claimed(row) for row in found]

    @translated
    async def settle(self, settlements: Sequence[Settlement]) -> list[Settled | SettleRefused]:
        for settlement in settlements:
            check_transition(TaskStatus.RUNNING, settlement.status)
        return await self._settling.settle(settlements)

    @translated
    async def cancel(self, principal: Principal, task_id: TaskId) -> list[Changed]:
        before = await self._find(principal, task_id)
        async with self._pool.transaction() as transaction:
            await self._wall.lock(transaction, before.session_id)
            cancelled = [
                rows.task(row)
                for row in await transaction.fetch(self._queries["cancel"], task_id, reasons.CANCELLED, False)
            ]
            cancelled = await self._partial_output.keep(transaction, cancelled)
            ended = [task.session_id for task in cancelled if task.status not in OCCUPYING]
            released = await self._wall.release_next(transaction, ended, cancelled)
        if not cancelled:
            cancelled = [await self._find(principal, task_id)]
        return [Changed(task) for task in (*cancelled, *released)]

    @translated
    async def find(self, principal: Principal, task_id: TaskId) -> Task:
        return await self._find(principal, task_id)

    @translated
    async def list(self, principal: Principal, filter: TaskFilter) -> list[Task]:
        values: list[object] = [
            principal.tenant,
            principal.user,
            filter.before,
            filter.status,
            filter.agent,
            filter.limit,
        ]
        if filter.session_id is None:
            found = await self._pool.fetch(self._queries["list"], *values)
        else:
            found = await self._pool.fetch(self._queries["list_of_session"], *values, filter.session_id)
        return [rows.task(row) for row in found]

    @translated
    async def positions(self, task_ids: Sequence[TaskId]) -> dict[TaskId, tuple[int, int, bool]]:
        found = await self._pool.fetch(self._queries["positions"], list(task_ids))
        return {row[0]: (row[1], row[2], row[3]) for row in found}

    async def ping(self) -> None:
        await connections.ping(self._pool)

    async def _find(self, principal: Principal, task_id: TaskId) -> Task:
        found = await self._pool.fetch(self._queries["find"], task_id, principal.tenant, principal.user)
        if not found:
            raise NotFound
        return rows.task(found[0])


def _claimed(row: rows.Row) -> Claimed:
    """Behind the task's columns: claim token, fair tag, and the session's turns and tier."""
    return Claimed(rows.task(row), row[-4], row[-2], row[-1])
