"""What the queues, logs and signals of one broker share."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from roadworthy.adapters.memory.faults import Faults, NoFaults
from roadworthy.domain.event import EventRecord
from roadworthy.domain.ids import TaskId
from roadworthy.ports.cache import Stamp
from roadworthy.ports.clock import Clock

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Inbox:
    """What one reader has not taken yet; `arrived` is set while there is something."""

    arrived: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False, slots=True)
class RecordInbox(Inbox):
    records: list[EventRecord] = field(default_factory=list[EventRecord])


@dataclass(eq=False, slots=True)
class SignalInbox(Inbox):
    task_ids: list[TaskId] = field(default_factory=list[TaskId])


@dataclass(eq=False, slots=True)
class WaitingWorker(Inbox):
    lanes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class KeptValue:
    value: bytes
    stamp: Stamp
    until: float


@dataclass(slots=True)
class FailingTarget:
    """Of a circuit breaker; times are those of the broker's clock."""

    failures: int = 0
    touched: float = 0.0
    half_open_at: float | None = None
    """None while it is closed."""
    probed_until: float = 0.0


class MemoryBroker:
    """One broker; every adapter made over it sees the same tickets, records, signals and cached values."""

    def __init__(self, clock: Clock, faults: Faults | None = None) -> None:
        self.faults: Faults = faults or NoFaults()
        self.tickets: set[str] = set()
        self.waiting_workers: list[WaitingWorker] = []
        self.records: dict[TaskId, list[EventRecord]] = defaultdict(list)
        # Dicts for their order, which is the same in every run; that of a set of objects is not.
        self.subscribers: dict[TaskId, dict[RecordInbox, None]] = defaultdict(dict)
        self.listeners: dict[SignalInbox, None] = {}
        self.failing: dict[str, FailingTarget] = {}
        self.values: dict[bytes, KeptValue] = {}
        self.marks: dict[str, bytes] = {}
        self._drops = itertools.count(1)
        self._clock = clock

    async def run(self, operation: str, apply: Callable[[], T]) -> T:
        return await self.faults.around(operation, apply)

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def now(self) -> float:
        return self._clock.monotonic()

    def flush(self) -> None:
        """Lose everything, as FLUSHALL does; those who wait or subscribe stay connected."""
        self.tickets.clear()
        self.records.clear()
        self.failing.clear()
        self.values.clear()
        self.marks.clear()

    def renew(self, mark: str) -> None:
        """Give the mark a value that it never had."""
        self.marks[mark] = next(self._drops).to_bytes(8)

    async def wait_for(self, inbox: Inbox, seconds: float) -> bool:
        """Whether something arrived within `seconds`, by the broker's clock."""
        if inbox.arrived.is_set():
            return True
        arrival = asyncio.ensure_future(inbox.arrived.wait())
        timeout = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({arrival, timeout}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pending in (arrival, timeout):
                pending.cancel()
            await asyncio.gather(arrival, timeout, return_exceptions=True)
        return inbox.arrived.is_set()
