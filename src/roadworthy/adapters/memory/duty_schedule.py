"""Whose turn an upkeep duty is, in memory."""

from __future__ import annotations

from roadworthy.adapters.memory.database import DutyRow, MemoryDatabase
from roadworthy.ports.duty_schedule import DutyTurn


class MemoryDutySchedule:
    """A `DutySchedule` over a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def claim_turn(self, duty: str, every_seconds: float, pause_seconds: float) -> DutyTurn | None:
        return await self._database.run(
            "duty_schedule.claim_turn", lambda: self._claim_turn(duty, every_seconds, pause_seconds)
        )

    async def seconds_since_any_turn(self) -> float:
        return await self._database.run("duty_schedule.seconds_since_any_turn", self._seconds_since_any_turn)

    def _seconds_since_any_turn(self) -> float:
        database = self._database
        return database.now() - max((row.last_run for row in database.duties.values()), default=database.made_at)

    def _claim_turn(self, duty: str, every_seconds: float, pause_seconds: float) -> DutyTurn | None:
        now, row = self._database.now(), self._database.duties.get(duty)
        if row is not None and now < row.next_run:
            return None
        resumed_at = now if row is None or now - row.last_run > pause_seconds else row.resumed_at
        self._database.duties[duty] = DutyRow(last_run=now, next_run=now + every_seconds, resumed_at=resumed_at)
        return DutyTurn(seconds_since_resumed=now - resumed_at)
