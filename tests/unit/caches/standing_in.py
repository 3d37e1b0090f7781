"""What stands around the caches in these tests: a broker that can be away, and texts that become vectors at once."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.cache import MemoryCache
from roadworthy.core.model_gateway.cache_in_time import CacheInTime
from roadworthy.domain.errors import BrokerUnavailable, EmbeddingFailed
from roadworthy.testing.manual_clock import ManualClock

T = TypeVar("T")


class Counted:
    """Calls, and a way to wait for them."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self._called = asyncio.Event()

    def note(self, call: object) -> None:
        self.calls.append(call)
        self._called.set()

    async def until(self, calls: int) -> None:
        """Wait until there were so many."""
        async with asyncio.timeout(60):
            while len(self.calls) < calls:
                self._called.clear()
                await self._called.wait()


class Weather(Counted):
    """Faults of a broker: it is there, away, or does not answer until it thaws."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.thawed = asyncio.Event()
        self.thawed.set()

    async def around(self, operation: str, apply: Callable[[], T]) -> T:
        self.note(operation)
        await asyncio.sleep(0)
        await self.thawed.wait()
        if self.is_away:
            raise BrokerUnavailable("Redis is away")
        return apply()


class Surroundings:
    def __init__(self) -> None:
        self.weather = Weather()
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock, self.weather)
        self.cache = MemoryCache(self.broker)

    def in_time(self) -> CacheInTime:
        return CacheInTime(self.cache, self.clock.monotonic)


class Letters(Counted):
    """An embedder whose vectors say how many letters a text has. Texts with "bad" in them can't be embedded."""

    name = "letters"

    def __init__(self, most: int = 4) -> None:
        super().__init__()
        self.most = most
        self.is_away = False
        self.open = asyncio.Event()
        self.open.set()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.note(list(texts))
        await self.open.wait()
        if self.is_away:
            raise EmbeddingFailed("the provider is away")
        if any("bad" in text for text in texts):
            raise EmbeddingFailed("one of them is bad", of_a_text=True)
        return [[float(len(text)), 0.5] for text in texts]
