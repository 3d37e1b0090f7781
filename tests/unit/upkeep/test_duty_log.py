"""What duties say of their work: nothing at `info` that happens every few seconds on any day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

from roadworthy.core.upkeep.upkeep import ROUTINE, Upkeep, all_duties
from roadworthy.ports.duty_schedule import DutyTurn


@dataclass
class Duty:
    name: str
    every_seconds: float = 1

    async def run_once(self, ports: Any, turn: DutyTurn) -> int:
        return 3


class Schedule:
    async def claim_turn(self, duty: str, every_seconds: float, pause_seconds: float) -> DutyTurn:
        return DutyTurn(0)


@pytest.mark.parametrize("name", [duty.name for duty in all_duties(30, 3)])
async def test_routine_is_for_debugging(name: str):
    upkeep = Upkeep((), Schedule(), None, 30)  # type: ignore[arg-type]
    with capture_logs() as logs:
        await upkeep.run_once(Duty(name))  # type: ignore[arg-type]
    said = [entry["event"] for entry in logs if entry["log_level"] != "debug"]
    assert said == ([] if name in ("refill_tickets", "release_due_tasks") else ["duty_done"])


def test_what_is_routine_is_a_duty():
    assert {duty.name for duty in all_duties(30, 3)} >= ROUTINE
