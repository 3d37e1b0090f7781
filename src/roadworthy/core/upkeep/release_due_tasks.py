"""Makes tasks claimable whose retry is due."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy.core.upkeep.duty import BATCH, UpkeepPorts
from roadworthy.ports.duty_schedule import DutyTurn


@dataclass(frozen=True, slots=True)
class ReleaseDueTasks:
    name: str = "release_due_tasks"
    every_seconds: float = 1.0

    async def run_once(self, ports: UpkeepPorts, turn: DutyTurn) -> int:
        tasks = await ports.tasks.release_due_tasks(BATCH)
        ports.announce(tasks)
        return len(tasks)
