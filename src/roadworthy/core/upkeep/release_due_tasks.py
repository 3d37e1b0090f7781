"""Makes tasks claimable whose retry is due."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy.core.upkeep.duty import BATCH, UpkeepPorts
from roadworthy.ports.duty_schedule import DutyTurn

MOST_BATCHES = 10
"""Of one turn: after a provider's outage thousands of retries are due in the same second."""


@dataclass(frozen=True, slots=True)
class ReleaseDueTasks:
    name: str = "release_due_tasks"
    every_seconds: float = 1.0

    async def run_once(self, ports: UpkeepPorts, turn: DutyTurn) -> int:
        released = 0
        for _ in range(MOST_BATCHES):
            tasks = await ports.tasks.release_due_tasks(BATCH)
            ports.announce(tasks)
            released += len(tasks)
            if len(tasks) < BATCH:
                break
        return released
