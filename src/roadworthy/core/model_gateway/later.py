"""Work that can wait and may be dropped: keeping a reply once it is in the journal."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

MOST_WAITING = 1000
AT_ONCE = 16

Work = Callable[[], Coroutine[Any, Any, None]]
"""Raises nothing."""


class Later:
    """Does a few things at a time, in order. A thousand waiting means that something stands still: no more is taken."""

    def __init__(self, most_waiting: int = MOST_WAITING, at_once: int = AT_ONCE) -> None:
        self._most_waiting = most_waiting
        self._at_once = at_once
        self._waiting: deque[Work] = deque()
        self._running: set[asyncio.Task[None]] = set()

    def add(self, work: Work) -> bool:
        """False where it was dropped."""
        if len(self._running) < self._at_once:
            # In a context of its own: what it does is no task's, however long it takes.
            task = asyncio.create_task(self._work_off(work), context=Context())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            return True
        if len(self._waiting) >= self._most_waiting:
            return False
        self._waiting.append(work)
        return True

    async def close(self, seconds: float = 2) -> None:
        """Wait until all is done, for so long at most."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=seconds)
            self._waiting.clear()
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _work_off(self, work: Work) -> None:
        await work()
        while self._waiting:
            await self._waiting.popleft()()
