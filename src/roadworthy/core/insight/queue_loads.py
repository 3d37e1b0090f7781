"""What waits and runs, for everybody in this process who asks again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from roadworthy.core.insight.upkeep_watch import UpkeepWatch
from roadworthy.ports.clock import Clock
from roadworthy.ports.duty_schedule import UPKEEP_MISSING_SECONDS
from roadworthy.ports.lanes import LaneLoad, Lanes

KEPT_SECONDS = 2.0
LARGEST_SHARE = 0.05
"""Of the time that one process may keep the store busy with this: with a million queued tasks the answer takes some
tenths of a second, and is then asked for more rarely."""


@dataclass(frozen=True, slots=True)
class QueueLook:
    """The queue as it is now."""

    lanes: Sequence[LaneLoad]
    upkeep_seconds: float
    """Since any duty of upkeep last ran, anywhere."""
    dead: int
    """Tasks that are dead now."""

    @property
    def upkeep_missing(self) -> bool:
        return self.upkeep_seconds >= UPKEEP_MISSING_SECONDS


class QueueLoads:
    """Asks the store at most every two seconds, more rarely if it takes long, however many ask here."""

    def __init__(self, store: Lanes, upkeep: UpkeepWatch, clock: Clock) -> None:
        self._store = store
        self._upkeep = upkeep
        self._clock = clock
        self._asking = asyncio.Lock()
        self._look: QueueLook | None = None
        self._kept_until = float("-inf")

    async def look(self) -> QueueLook:
        """StoreUnavailable rather than an old answer."""
        async with self._asking:
            asked = self._clock.monotonic()
            if self._look is None or asked >= self._kept_until:
                self._look = None
                upkeep_seconds = await self._upkeep.seconds()
                self._look = QueueLook(await self._store.loads(), upkeep_seconds, await self._store.dead_tasks())
                took = self._clock.monotonic() - asked
                self._kept_until = asked + max(KEPT_SECONDS, took / LARGEST_SHARE)
            return self._look
