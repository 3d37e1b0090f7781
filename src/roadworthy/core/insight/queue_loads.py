"""What waits and runs, for everybody in this process who asks again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from roadworthy.ports.clock import Clock
from roadworthy.ports.lanes import LaneLoad, Lanes

KEPT_SECONDS = 2.0
LARGEST_SHARE = 0.05
"""Of the time that one process may keep the store busy with this: with a million queued tasks the answer takes some
tenths of a second, and is then asked for more rarely."""


class QueueLoads:
    """Asks the store at most every two seconds, more rarely if it takes long, however many ask here."""

    def __init__(self, store: Lanes, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._asking = asyncio.Lock()
        self._loads: Sequence[LaneLoad] = ()
        self._kept_until = float("-inf")

    async def loads(self) -> Sequence[LaneLoad]:
        """StoreUnavailable rather than an old answer."""
        async with self._asking:
            asked = self._clock.monotonic()
            if asked >= self._kept_until:
                self._loads = await self._store.loads()
                took = self._clock.monotonic() - asked
                self._kept_until = asked + max(KEPT_SECONDS, took / LARGEST_SHARE)
            return self._loads
