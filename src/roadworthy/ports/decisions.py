"""What people decided about tool calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from roadworthy.domain.decision import Decision, NewDecision
from roadworthy.domain.ids import TaskId
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Task


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision is committed, now or by the same request before."""

    decision: Decision
    task: Task
    """As it is then: `queued`, where it waited."""


class Decisions(Protocol):
    async def decide(
        self, principal: Principal, task_id: TaskId, new: NewDecision, not_before: float | None
    ) -> Decided:
        """Keep the decision, and have a task that waits go on, in one transaction.

        The task's owner may, and whoever has the scope `operator`: of somebody else's task that is recorded as an
        action. Also taken while the task is queued or runs: an attempt that is about to wait goes on instead. Deciding
        the same again (verdict and value) answers `Decided` again.

        Raises NotFound where the task isn't there or isn't the principal's; NotPending where the task has ended, or was
        started over since that call, or the journal has a result of it by now; DecidedBefore where somebody decided
        otherwise; DecisionTooSoon before `not_before` (seconds since 1970, by the store's clock).
        """
        ...

    async def of_task(self, principal: Principal, task_id: TaskId) -> Sequence[Decision]:
        """In the order in which they were made, of all generations; empty if the task isn't the principal's."""
        ...

    async def find_any(self, operator: Principal, task_id: TaskId) -> Task:
        """Anybody's task. NotFound, and NotAllowed without the scope `operator`."""
        ...

    async def waiting(self, operator: Principal, limit: int = 50, beyond: TaskId | None = None) -> Sequence[Task]:
        """Everybody's tasks that wait for a person, not for other code, oldest first; `beyond` is the last of the page
        before. NotAllowed as above."""
        ...
