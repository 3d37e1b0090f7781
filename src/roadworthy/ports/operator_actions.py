"""What operators did. Actions on the store are recorded by whoever carries them out, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from roadworthy.domain.ids import TaskId
from roadworthy.domain.operator_action import ActionKind, ActionTarget, OperatorAction
from roadworthy.domain.principal import Principal


class OperatorActions(Protocol):
    async def list(
        self, operator: Principal, task_id: TaskId | None = None, limit: int = 50, before: UUID | None = None
    ) -> Sequence[OperatorAction]:
        """Newest first, of one task or all; `before` is the last of the page before.

        NotAllowed for a principal without the scope `operator`.
        """
        ...

    async def record(
        self, operator: Principal, kind: ActionKind, target: ActionTarget, note: str | None = None
    ) -> None:
        """One action on something outside the store. NotAllowed as above."""
        ...
