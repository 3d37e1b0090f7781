"""The twins of the adapters, telling the checker who writes and publishes what."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.event_log import MemoryEventLog
from roadworthy.adapters.memory.journal import MemoryJournal
from roadworthy.adapters.memory.task_store import MemoryTaskStore
from roadworthy.adapters.memory.worker_registry import MemoryWorkerRegistry
from roadworthy.domain.event import EventRecord
from roadworthy.domain.journal import Appended, EntryWrite, NotStorable, Refused
from roadworthy.domain.task import Claimed, Settlement
from roadworthy.ports.task_store import Settled, SettleRefused
from roadworthy.ports.worker_registry import Heartbeat, Worker
from roadworthy.testing.virtual_time import SimulatedProcess

from .checker import Checker


class WatchedJournal(MemoryJournal):
    def __init__(self, database: MemoryDatabase, checker: Checker) -> None:
        super().__init__(database)
        self._checker = checker

    def _append(self, entry: EntryWrite) -> Appended | Refused | NotStorable:
        outcome = super()._append(entry)
        if isinstance(outcome, Appended):
            self._checker.accepted_write(entry.key, entry.fence)
        return outcome


class WatchedTaskStore(MemoryTaskStore):
    def __init__(self, database: MemoryDatabase, checker: Checker) -> None:
        super().__init__(database)
        self._checker = checker

    def _claim(self, worker_id: UUID, *others: Any) -> list[Claimed]:
        claimed = super()._claim(worker_id, *others)
        self._checker.claimed(worker_id, [each.task.id for each in claimed])
        return claimed

    def _settle(self, settlement: Settlement) -> Settled | SettleRefused:
        outcome = super()._settle(settlement)
        if isinstance(outcome, Settled):
            self._checker.accepted_write("the settlement", settlement.fence)
        return outcome


class WatchedEventLog(MemoryEventLog):
    def __init__(self, broker: MemoryBroker, checker: Checker) -> None:
        super().__init__(broker)
        self._checker = checker

    async def publish(self, records: Sequence[EventRecord]) -> None:
        for record in records:
            self._checker.published(record)
        await super().publish(records)


class WatchedRegistry(MemoryWorkerRegistry):
    """The `WorkerRegistry` of one process."""

    def __init__(self, database: MemoryDatabase, checker: Checker, process: SimulatedProcess) -> None:
        super().__init__(database)
        self._checker = checker
        self._process = process

    async def register(self, worker: Worker, lease_seconds: float) -> None:
        self._checker.registered(worker.id, self._process)
        sent = time.monotonic()
        await super().register(worker, lease_seconds)
        self._checker.renewed(worker.id, sent)

    async def heartbeat(self, worker_id: UUID, lease_seconds: float) -> Heartbeat | None:
        sent = time.monotonic()
        answer = await super().heartbeat(worker_id, lease_seconds)
        if answer is not None:
            self._checker.renewed(worker_id, sent)
        return answer

    async def deregister(self, worker_id: UUID) -> None:
        self._checker.renewed(worker_id, float("-inf"))
        await super().deregister(worker_id)
