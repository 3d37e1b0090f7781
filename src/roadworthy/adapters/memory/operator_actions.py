"""What operators did, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.domain.ids import TaskId
from roadworthy.domain.operator_action import ActionKind, ActionTarget, OperatorAction
from roadworthy.domain.principal import Principal, check_operator


class MemoryOperatorActions:
    """An `OperatorActions` over a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def list(
        self, operator: Principal, task_id: TaskId | None = None, limit: int = 50, before: UUID | None = None
    ) -> Sequence[OperatorAction]:
        check_operator(operator)

        def page() -> list[OperatorAction]:
            return [
                action
                for action in sorted(self._database.operator_actions, key=lambda action: action.id, reverse=True)
                if (task_id is None or action.target.task_id == task_id) and (before is None or action.id < before)
            ][:limit]

        return await self._database.run("operator_actions.list", page)

    async def record(
        self, operator: Principal, kind: ActionKind, target: ActionTarget, note: str | None = None
    ) -> None:
        check_operator(operator)

        def write() -> None:
            self._database.record_actions(operator, kind, [target], note)

        await self._database.run("operator_actions.record", write)
