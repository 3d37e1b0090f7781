"""Queues tasks again whose code did not match their journal, when a worker of their version has started since."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy.core.upkeep.duty import BATCH, UpkeepPorts
from roadworthy.ports.duty_schedule import DutyTurn


@dataclass(frozen=True, slots=True)
class ReleaseParkedTasks:
    name: str = "release_parked_tasks"
    every_seconds: float = 2.0

    async def run_once(self, ports: UpkeepPorts, turn: DutyTurn) -> int:
        tasks = await ports.lanes.release_parked_tasks(BATCH)
        ports.announce(tasks)
        return len(tasks)
