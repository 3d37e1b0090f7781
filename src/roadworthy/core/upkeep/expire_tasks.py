"""Ends tasks that waited longer than their limits allow."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy.core.upkeep.duty import BATCH, UpkeepPorts
from roadworthy.ports.duty_schedule import DutyTurn


@dataclass(frozen=True, slots=True)
class ExpireTasks:
    name: str = "expire_tasks"
    every_seconds: float = 5.0

    async def run_once(self, ports: UpkeepPorts, turn: DutyTurn) -> int:
        tasks = await ports.tasks.expire_tasks(BATCH)
        ports.announce(tasks)
        return len(tasks)
