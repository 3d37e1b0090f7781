"""What has come for one subscriber and was not yet taken."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

ITEM_BYTES = 700
"""What a decoded record takes besides its payload, roughly."""

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds up to `capacity` bytes of payloads (one larger item is held alone).

    Where something may be missing (it overflowed, or the connection broke), `next` answers once with nothing.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: list[T] = []
        self._bytes = 0
        self._gap: int | None = None
        """The place in the items before which something may be missing."""
        self._wake: asyncio.Future[None] | None = None

    @property
    def pending(self) -> int:
        """How many items have come and were not taken."""
        return len(self._items)

    def put(self, item: T, size: int) -> None:
        size += ITEM_BYTES
        if self._items and self._bytes + size > self._capacity:
            self._items, self._bytes, self._gap = [], 0, 0
        self._items.append(item)
        self._bytes += size
        self._ring()

    def mark_gap(self) -> None:
        """What has come so far can still be taken. Of several gaps the first says enough: whoever is told of it reads
        all that there is."""
        if self._gap is None:
            self._gap = len(self._items)
        self._ring()

    async def next(self, seconds: float) -> list[T]:
        """All that has come, waiting up to `seconds`; empty if nothing came, or where something may be missing."""
        if not self._items and self._gap is None:
            loop = asyncio.get_running_loop()
            self._wake = loop.create_future()
            timer = loop.call_later(seconds, self._ring)
            try:
                await self._wake
            finally:
                timer.cancel()
                self._wake = None
        return self._take()

    def _take(self) -> list[T]:
        if self._gap == 0:
            self._gap = None
            return []
        if self._gap is not None:
            taken, self._items, self._gap = self._items[: self._gap], self._items[self._gap :], 0
            return taken
        taken, self._items, self._bytes = self._items, [], 0
        return taken

    def _ring(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
