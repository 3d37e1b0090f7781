"""Values that may vanish, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from roadworthy.adapters.memory.broker import KeptValue, MemoryBroker
from roadworthy.ports.cache import UNMARKED, Looked, Stamp


class MemoryCache:
    """A `Cache` over a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def get(self, keys: Sequence[bytes], marks: Sequence[str] = ()) -> Looked:
        def get() -> Looked:
            stamp = self._stamp(tuple(marks))
            return Looked([self._value(key, stamp) for key in keys], stamp)

        return await self._broker.run("cache.get", get)

    async def put(self, values: Mapping[bytes, bytes], seconds: float, stamp: Stamp = UNMARKED) -> bool:
        def put() -> bool:
            if self._stamp(stamp.marks) != stamp:
                return False
            for mark, seen in zip(stamp.marks, stamp.seen, strict=True):
                if not seen:
                    self._broker.renew(mark)
            until, now = self._broker.monotonic() + seconds, self._stamp(stamp.marks)
            self._broker.values |= {key: KeptValue(value, now, until) for key, value in values.items()}
            return True

        return await self._broker.run("cache.put", put)

    async def drop(self, mark: str) -> None:
        await self._broker.run("cache.drop", lambda: self._broker.renew(mark))

    async def close(self) -> None:
        """Nothing to close: the broker is not this cache's own."""

    def _stamp(self, marks: tuple[str, ...]) -> Stamp:
        return Stamp(marks, tuple(self._broker.marks.get(mark, b"") for mark in marks))

    def _value(self, key: bytes, stamp: Stamp) -> bytes | None:
        kept = self._broker.values.get(key)
        if kept is None or kept.stamp != stamp or kept.until <= self._broker.monotonic():
            return None
        return kept.value
