"""Gives tasks of vanished workers to others."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy.core.upkeep.duty import BATCH, UpkeepPorts
from roadworthy.ports.duty_schedule import DutyTurn


@dataclass(frozen=True, slots=True)
class RescueExpiredLeases:
    lease_seconds: float
    max_retries: int
    name: str = "rescue_expired_leases"

    @property
    def every_seconds(self) -> float:
        # A turn that comes more than a lease after the last one counts as the end of an outage; a process skips one
        # turn in two where its own pause was a little short.
        return min(2.0, self.lease_seconds / 3)

    async def run_once(self, ports: UpkeepPorts, turn: DutyTurn) -> int:
        # After an outage of the store no worker could renew its lease: give each of them one full lease to do so.
        if turn.seconds_since_resumed < self.lease_seconds:
            return 0
        return await self.rescue(ports)

    async def rescue(self, ports: UpkeepPorts) -> int:
        tasks = await ports.tasks.rescue_expired_leases(self.max_retries, BATCH, self.lease_seconds)
        ports.announce(tasks)
        if tasks:
            # The next attempt may need the money that the lost worker held.
            await ports.accounts.settle_lost()
        return len(tasks)
