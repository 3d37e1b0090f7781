"""Live events and cancel signals in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from roadworthy.adapters.memory.broker import MemoryBroker, RecordInbox, SignalInbox
from roadworthy.domain.errors import BrokerUnavailable
from roadworthy.domain.event import EventRecord
from roadworthy.domain.ids import TaskId
from roadworthy.ports.event_log import Subscription

RETRY_SECONDS = 1.0


class MemoryEventLog:
    """An `EventLog` over a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def publish(self, records: Sequence[EventRecord]) -> None:
        def publish() -> None:
            for record in records:
                self._publish(record)

        await self._broker.run("event_log.publish", publish)

    async def read(self, task_id: TaskId, after: int) -> list[EventRecord]:
        def read() -> list[EventRecord]:
            return [record for record in self._broker.records.get(task_id, ()) if record.number > after]

        return await self._broker.run("event_log.read", read)

    @asynccontextmanager
    async def subscribe(self, task_id: TaskId) -> AsyncGenerator[Subscription]:
        inbox = RecordInbox()

        def add() -> None:
            self._broker.subscribers[task_id][inbox] = None

        try:
            await self._broker.run("event_log.subscribe", add)
            yield _MemorySubscription(self._broker, inbox)
        finally:
            subscribers = self._broker.subscribers[task_id]
            subscribers.pop(inbox, None)
            if not subscribers:
                del self._broker.subscribers[task_id]

    async def close(self) -> None:
        """Nothing to close: the broker is not this log's own."""

    def _publish(self, record: EventRecord) -> None:
        kept = self._broker.records[record.task_id]
        if kept and record.number <= kept[-1].number:
            return
        kept.append(record)
        for inbox in self._broker.subscribers.get(record.task_id, ()):
            inbox.records.append(record)
            inbox.arrived.set()


class _MemorySubscription:
    def __init__(self, broker: MemoryBroker, inbox: RecordInbox) -> None:
        self._broker = broker
        self._inbox = inbox

    async def next(self, seconds: float) -> list[EventRecord]:
        def take() -> list[EventRecord]:
            records, self._inbox.records = self._inbox.records, []
            self._inbox.arrived.clear()
            return records

        await self._broker.wait_for(self._inbox, seconds)
        return await self._broker.run("event_log.next", take)


class MemoryCancelSignals:
    """`CancelSignals` over a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def send(self, task_id: TaskId) -> None:
        def send() -> None:
            for inbox in self._broker.listeners:
                inbox.task_ids.append(task_id)
                inbox.arrived.set()

        await self._broker.run("cancel_signals.send", send)

    async def listen(self) -> AsyncIterator[TaskId]:
        """Signals sent from now on, also over outages of the broker."""
        inbox = SignalInbox()
        try:
            await self._connect(inbox)
            while True:
                await inbox.arrived.wait()
                task_ids, inbox.task_ids = inbox.task_ids, []
                inbox.arrived.clear()
                for task_id in task_ids:
                    yield task_id
        finally:
            self._broker.listeners.pop(inbox, None)

    async def _connect(self, inbox: SignalInbox) -> None:
        def add() -> None:
            self._broker.listeners[inbox] = None

        while True:
            try:
                return await self._broker.run("cancel_signals.listen", add)
            except BrokerUnavailable:
                await self._broker.sleep(RETRY_SECONDS)
