"""The shape of a duty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from roadworthy.core.announcer import Announcer
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.ports.budget_accounts import BudgetAccounts
from roadworthy.ports.duty_schedule import DutyTurn
from roadworthy.ports.lanes import Lanes
from roadworthy.ports.task_upkeep import TaskUpkeep

log = structlog.get_logger()

BATCH = 200
"""Most tasks that one run of a duty touches; what is left waits for the next one."""


@dataclass(frozen=True, slots=True)
class UpkeepPorts:
    tasks: TaskUpkeep
    announcer: Announcer
    lanes: Lanes
    accounts: BudgetAccounts

    def announce(self, tasks: Sequence[Task]) -> None:
        """Tell readers what changed, and workers what they can claim."""
        for task in tasks:
            self.announcer.changed(task)
            if task.status is TaskStatus.DEAD:
                log.error("task_dead", task_id=str(task.id), agent=task.agent, reason=task.reason)


class Duty(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def every_seconds(self) -> float: ...

    async def run_once(self, ports: UpkeepPorts, turn: DutyTurn) -> int:
        """Do what there is to do; returns how many tasks, lanes or charges that were."""
        ...
