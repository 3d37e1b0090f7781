"""Records what an operator does, in the transaction that does it."""

from __future__ import annotations

from collections.abc import Sequence

from roadworthy.adapters.postgres import rows
from roadworthy.adapters.postgres.pool import Transaction
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.domain.ids import new_id
from roadworthy.domain.operator_action import ActionKind, ActionTarget
from roadworthy.domain.principal import Principal


class ActionRecord:
    def __init__(self) -> None:
        self._record = load_queries("operator_actions")["record"]

    async def write(
        self,
        transaction: Transaction,
        operator: Principal,
        kind: ActionKind,
        targets: Sequence[ActionTarget],
        note: str | None = None,
    ) -> None:
        """One action for each target; they are there if the transaction commits."""
        await transaction.fetch(
            self._record,
            [new_id() for _ in targets],
            operator.tenant,
            operator.user,
            kind.value,
            [target.task_id for target in targets],
            [target.lane for target in targets],
            [rows.json_text(dict(target.detail)) for target in targets],
            note,
        )
