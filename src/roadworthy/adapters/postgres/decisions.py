"""Decisions in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from roadworthy.adapters.postgres import rows
from roadworthy.adapters.postgres.action_record import ActionRecord
from roadworthy.adapters.postgres.failures import translated
from roadworthy.adapters.postgres.pool import Pool, Transaction
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.adapters.postgres.rows import Row
from roadworthy.adapters.postgres.session_wall import SessionWall
from roadworthy.domain.decision import PERMISSION, Decision, NewDecision, Verdict
from roadworthy.domain.decision_check import CallStanding, check_decision, goes_on
from roadworthy.domain.errors import NotFound
from roadworthy.domain.ids import TaskId
from roadworthy.domain.operator_action import ActionKind, ActionTarget
from roadworthy.domain.principal import Principal, check_operator, is_operator
from roadworthy.domain.task import Task
from roadworthy.ports.decisions import Decided


class PostgresDecisions:
    """A `Decisions`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("decisions")
        self._wall = SessionWall()
        self._actions = ActionRecord()

    @translated
    async def decide(
        self, principal: Principal, task_id: TaskId, new: NewDecision, not_before: float | None
    ) -> Decided:
        async with self._pool.transaction() as transaction:
            task = await self._locked(transaction, principal, task_id)
            call = await self._standing(transaction, task_id, new)
            check_decision(new, task, call, not_before)
            decision = call.decided or await self._keep(transaction, principal, task, new)
            if goes_on(task, call):
                found = await transaction.fetch(self._queries["go_on"], task_id, new.reason)
                task = rows.task(found[0])
                await self._wall.enqueue(transaction, [task])
        return Decided(decision, task)

    @translated
    async def of_task(self, principal: Principal, task_id: TaskId) -> Sequence[Decision]:
        found = await self._pool.fetch(self._queries["of_task"], task_id, principal.tenant, principal.user)
        return [_decision(row) for row in found]

    @translated
    async def find_any(self, operator: Principal, task_id: TaskId) -> Task:
        check_operator(operator)
        found = await self._pool.fetch(self._queries["find_any"], task_id)
        if not found:
            raise NotFound
        return rows.task(found[0])

    @translated
    async def waiting(self, operator: Principal, limit: int = 50, beyond: TaskId | None = None) -> Sequence[Task]:
        check_operator(operator)
        return [rows.task(row) for row in await self._pool.fetch(self._queries["waiting"], beyond, limit)]

    async def _locked(self, transaction: Transaction, principal: Principal, task_id: TaskId) -> Task:
        whose = (principal.tenant, principal.user, is_operator(principal))
        found = await transaction.fetch(self._queries["lock"], task_id, *whose)
        if not found:
            raise NotFound
        return rows.task(found[0])

    async def _standing(self, transaction: Transaction, task_id: TaskId, new: NewDecision) -> CallStanding:
        found = await transaction.fetch(self._queries["standing"], task_id, new.call_id, new.verdict in PERMISSION)
        has_result, now, verdict = found[0][:3]
        decided = None if verdict is None else _decision((new.call_id, *found[0][2:]))
        return CallStanding(decided, has_result, now)

    async def _keep(self, transaction: Transaction, principal: Principal, task: Task, new: NewDecision) -> Decision:
        note = rows.storable(new.note)
        found = await transaction.fetch(
            self._queries["keep"],
            task.id,
            new.call_id,
            new.verdict.value,
            new.value,
            note,
            new.by.tenant,
            new.by.user,
        )
        if not task.principal.is_same_user(principal):
            target = ActionTarget(new.detail, task.id, task.lane)
            await self._actions.write(transaction, principal, ActionKind.DECIDE, [target], note)
        return Decision(new.call_id, new.verdict, new.value, note, new.by.tenant, new.by.user, found[0][0].timestamp())


def _decision(row: Row) -> Decision:
    return Decision(row[0], Verdict(row[1]), row[2], row[3], row[4], row[5], row[6].timestamp())
