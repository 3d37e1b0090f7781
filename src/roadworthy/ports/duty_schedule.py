"""Which process runs an upkeep duty now: without a leader, by claiming the duty's own row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

UPKEEP_MISSING_SECONDS = 30.0
"""How long no duty may have run before that is an alarm: each that there is runs every few seconds."""


@dataclass(frozen=True, slots=True)
class DutyTurn:
    """This process runs the duty now."""

    seconds_since_resumed: float
    """Since upkeep took up its work again after a pause longer than the given one (or for the first time)."""


class DutySchedule(Protocol):
    async def claim_turn(self, duty: str, every_seconds: float, pause_seconds: float) -> DutyTurn | None:
        """The right to run the duty once, or None if it isn't due or another process has it.

        If it last ran more than `pause_seconds` ago, upkeep or the store was away and has resumed now.
        """
        ...

    async def seconds_since_any_turn(self) -> float:
        """Since any duty was last claimed, or since the database was made if none ever was."""
        ...
