"""Whose turn an upkeep duty is, by rows in PostgreSQL and its clock."""

from __future__ import annotations

from roadworthy.adapters.postgres.failures import translated
from roadworthy.adapters.postgres.pool import Pool
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.ports.duty_schedule import DutyTurn


class PostgresDutySchedule:
    """A `DutySchedule`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("duty_schedule")

    @translated
    async def claim_turn(self, duty: str, every_seconds: float, pause_seconds: float) -> DutyTurn | None:
        found = await self._pool.fetch(self._queries["claim_turn"], duty, every_seconds, pause_seconds)
        return DutyTurn(found[0][0]) if found else None

    @translated
    async def seconds_since_any_turn(self) -> float:
        return (await self._pool.fetch(self._queries["seconds_since_any_turn"]))[0][0]
