"""A cache that nobody waits for: where it is away or slow it is passed over, and asked again a second later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from roadworthy.core.model_gateway.absence import Absence
from roadworthy.domain.errors import BrokerUnavailable
from roadworthy.domain.keepable import foreign_words
from roadworthy.ports.cache import UNMARKED, Cache, Looked, Stamp

LOOK_SECONDS = 0.05
_PARTS = 5


class CacheInTime:
    """One a process: whoever uses it shares what is known of its outage, which the log tells of once."""

    def __init__(self, cache: Cache, clock: Callable[[], float] | None = None) -> None:
        self._cache = cache
        self._absence = Absence("cache_passed_over", "cache_back", clock)
        self._late: set[asyncio.Future[Looked]] = set()

    async def get(self, keys: Sequence[bytes], marks: Sequence[str] = ()) -> Looked | None:
        """As the port says; None where the cache is passed over: it is away, or has not answered in `LOOK_SECONDS`."""
        if not self._absence.may_ask():
            return None
        look = asyncio.ensure_future(self._cache.get(keys, marks))
        try:
            # In small parts: what a busy loop is late by is not the cache's fault; in each it reads what has come.
            for _ in range(_PARTS):
                if (await asyncio.wait({look}, timeout=LOOK_SECONDS / _PARTS))[0]:
                    break
        except asyncio.CancelledError:
            look.cancel()
            raise
        if not look.done():
            # Left to itself: a connection that takes longer than this to open is there for the next one.
            self._late.add(look)
            look.add_done_callback(self._came_late)
            return self._absence.goes_on(f"no answer within {LOOK_SECONDS * 1000:.0f} ms")
        if (error := look.exception()) is not None:
            return self._absence.goes_on(_words(error))
        self._absence.is_over()
        return look.result()

    async def put(self, values: Mapping[bytes, bytes], seconds: float, stamp: Stamp = UNMARKED) -> bool:
        """Whether the values are kept now. Takes as long as it takes: it is for the background."""
        if not self._absence.may_ask():
            return False
        try:
            kept = await self._cache.put(values, seconds, stamp)
        except Exception as error:
            self._absence.goes_on(_words(error))
            return False
        self._absence.is_over()
        return kept

    async def close(self) -> None:
        for look in self._late:
            look.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    def _came_late(self, look: asyncio.Future[Looked]) -> None:
        self._late.discard(look)
        if not look.cancelled():
            look.exception()  # what it was has been said


def _words(error: BaseException) -> str:
    return error.message if isinstance(error, BrokerUnavailable) else f"{type(error).__name__}: {foreign_words(error)}"
