"""What operators did, from PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import orjson

from roadworthy.adapters.postgres import rows
from roadworthy.adapters.postgres.action_record import ActionRecord
from roadworthy.adapters.postgres.failures import translated
from roadworthy.adapters.postgres.pool import Pool
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.adapters.postgres.rows import Row
from roadworthy.domain.ids import TaskId
from roadworthy.domain.operator_action import ActionKind, ActionTarget, OperatorAction
from roadworthy.domain.principal import Principal, check_operator


class PostgresOperatorActions:
    """An `OperatorActions`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("operator_actions")
        self._actions = ActionRecord()

    @translated
    async def list(
        self, operator: Principal, task_id: TaskId | None = None, limit: int = 50, before: UUID | None = None
    ) -> Sequence[OperatorAction]:
        check_operator(operator)
        if task_id is None:
            found = await self._pool.fetch(self._queries["list"], before, limit)
        else:
            found = await self._pool.fetch(self._queries["list_of_task"], before, limit, task_id)
        return [_action(row) for row in found]

    @translated
    async def record(
        self, operator: Principal, kind: ActionKind, target: ActionTarget, note: str | None = None
    ) -> None:
        check_operator(operator)
        async with self._pool.transaction() as transaction:
            await self._actions.write(transaction, operator, kind, [target], note)


def _action(row: Row) -> OperatorAction:
    return OperatorAction(
        id=row[0],
        at=row[1].timestamp(),
        operator=rows.principal(row[2], row[3]),
        kind=ActionKind(row[4]),
        target=ActionTarget(orjson.loads(row[7]), row[5], row[6]),
        note=row[8],
    )
