"""What waits and runs, for everybody in this process who asks again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from roadworthy.ports.clock import Clock
from roadworthy.ports.lanes import LaneLoad, Lanes

KEPT_SECONDS = 2.0


class QueueLoads:
    """Asks the store at most every two seconds, however many ask here."""

    def __init__(self, store: Lanes, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._asking = asyncio.Lock()
        self._loads: Sequence[LaneLoad] = ()
        self._asked_at: float | None = None

    async def loads(self) -> Sequence[LaneLoad]:
        """StoreUnavailable rather than an old answer."""
        async with self._asking:
            now = self._clock.monotonic()
            if self._asked_at is None or now - self._asked_at >= KEPT_SECONDS:
                self._asked_at = None
                self._loads = await self._store.loads()
                self._asked_at = now
            return self._loads
