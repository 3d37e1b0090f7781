"""Repairs what a crash left: queues the next task of sessions that are free."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy.core.upkeep.duty import BATCH, UpkeepPorts
from roadworthy.ports.duty_schedule import DutyTurn


@dataclass(frozen=True, slots=True)
class ReleaseBlockedTasks:
    name: str = "release_blocked_tasks"
    every_seconds: float = 5.0

    async def run_once(self, ports: UpkeepPorts, turn: DutyTurn) -> int:
        tasks = await ports.tasks.release_blocked_tasks(BATCH)
        ports.announce(tasks)
        return len(tasks)
