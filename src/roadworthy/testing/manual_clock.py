"""A clock that stands still until it is told to go on."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

TURNS = 50


class ManualClock:
    """A `Clock` whose time passes only in `advance`.

    `turns` is how many turns of the event loop those get that were just woken, before time goes on: enough for
    a chain of some calls to things in memory.
    """

    def __init__(self, start: float = 1_800_000_000, turns: int = TURNS) -> None:
        self._start = start
        self._turns = turns
        self._passed = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def time(self) -> float:
        return self._start + self._passed

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._passed + seconds, next(self._order), woken))
        await woken

    @property
    def next_wake(self) -> float | None:
        """When the first sleeper wakes, in `monotonic` time; None if nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, waking each sleeper at its time; of those with one time, the first to lie down."""
        end = self._passed + seconds
        await self._let_others_run()
        while (wake := self.next_wake) is not None and wake <= end:
            self._passed, _, woken = heapq.heappop(self._sleepers)
            woken.set_result(None)
            await self._let_others_run()
        self._passed = end
        await self._let_others_run()

    async def _let_others_run(self) -> None:
        for _ in range(self._turns):
            await asyncio.sleep(0)
