"""The broker ports over one connection, as the contracts use them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from roadworthy.ports.event_log import CancelSignals, EventLog
from roadworthy.ports.work_queue import WorkQueue

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Broker:
    work_queue: WorkQueue
    event_log: EventLog
    cancel_signals: CancelSignals

    async def eventually(self, check: Callable[[], Awaitable[T | None]], seconds: float = 5) -> T:
        """The first result of `check` that is true; AssertionError if none is within `seconds`."""
        pace = 0.02
        for _ in range(int(seconds / pace)):
            result = await check()
            if result:
                return result
            await asyncio.sleep(pace)
        raise AssertionError(f"it did not come true within {seconds:g} seconds")
