"""Posts tickets again that were lost: at most one a lane and tick."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy.core.upkeep.duty import UpkeepPorts
from roadworthy.ports.duty_schedule import DutyTurn


@dataclass(frozen=True, slots=True)
class RefillTickets:
    name: str = "refill_tickets"
    every_seconds: float = 2.0

    async def run_once(self, ports: UpkeepPorts, turn: DutyTurn) -> int:
        lanes = await ports.tasks.lanes_with_work()
        ports.announcer.wake(lanes)
        return len(lanes)
