"""The shape of a duty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from roadworthy.core.insight.change_record import change_record
from roadworthy.core.publisher import EventPublisher
from roadworthy.domain.errors import BrokerUnavailable
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.ports.duty_schedule import DutyTurn
from roadworthy.ports.task_upkeep import TaskUpkeep
from roadworthy.ports.work_queue import WorkQueue

BATCH = 200
"""Most tasks that one run of a duty touches; what is left waits for the next one."""


@dataclass(frozen=True, slots=True)
class UpkeepPorts:
    tasks: TaskUpkeep
    queue: WorkQueue
    publisher: EventPublisher

    async def announce(self, tasks: Sequence[Task]) -> None:
        """Tell readers what changed, and workers what they can claim."""
        for task in tasks:
            self.publisher.publish(change_record(task))
        await self.wake({task.lane for task in tasks if task.status is TaskStatus.QUEUED})

    async def wake(self, lanes: set[str]) -> None:
        """A ticket for each lane; without the broker workers find the tasks by themselves."""
        if lanes:
            try:
                await self.queue.post(lanes)
            except BrokerUnavailable:
                return


class Duty(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def every_seconds(self) -> float: ...

    async def run_once(self, ports: UpkeepPorts, turn: DutyTurn) -> int:
        """Do what there is to do; returns how many tasks or lanes that were."""
        ...
