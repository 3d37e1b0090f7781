"""Counts as spent what nobody will ever hear of: charges of attempts that are gone, and money of lost workers."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy.core.upkeep.duty import UpkeepPorts
from roadworthy.ports.duty_schedule import DutyTurn


@dataclass(frozen=True, slots=True)
class SettleLostCharges:
    name: str = "settle_lost_charges"
    every_seconds: float = 5.0

    async def run_once(self, ports: UpkeepPorts, turn: DutyTurn) -> int:
        return await ports.accounts.settle_lost()
