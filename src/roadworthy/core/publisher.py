"""Sends live events: the first one at once, what comes right after it together, and nobody waits for it."""

from __future__ import annotations

import asyncio
from contextvars import Context
from dataclasses import dataclass, field

from roadworthy.core.outage import Outage
from roadworthy.domain.errors import BrokerUnavailable
from roadworthy.domain.event import Event, EventKind, EventRecord, Place, Position
from roadworthy.domain.ids import TaskId
from roadworthy.ports.event_log import EventLog

MOST_RECORDS = 500
GATHER_SECONDS = 0.002
"""Between two calls: each costs several times what one more record in it does."""


@dataclass(slots=True)
class TextBuffer:
    """Neighbouring pieces of one text that have not been sent yet."""

    task_id: TaskId
    position: Position
    start: Place
    kind: EventKind
    pieces: list[str] = field(default_factory=list[str])

    def record(self) -> EventRecord:
        text = "".join(self.pieces)
        number = self.start._replace(place=self.start.place + len(text)).number
        event = Event(number, self.kind, {"text": text})
        return EventRecord(self.task_id, self.position, self.position, (event,))


class EventPublisher:
    """Publishes in the background; events of one task keep their order.

    A broker that is away loses live events and nothing else: readers rebuild them from the store.
    """

    def __init__(self, event_log: EventLog) -> None:
        self._event_log = event_log
        self._pending: list[EventRecord | TextBuffer] = []
        self._open: dict[TaskId, TextBuffer] = {}
        self._sender: asyncio.Task[None] | None = None
        self._closing = False
        self._outage = Outage("live_events_lost", "live_events_sent_again")

    def publish(self, record: EventRecord) -> None:
        self._open.pop(record.task_id, None)
        self._add(record)

    def text(self, task_id: TaskId, position: Position, start: Place, kind: EventKind, text: str) -> None:
        """A piece of text that begins at `start`; joined with the piece before it where both are still here."""
        buffer = self._open.get(task_id)
        if buffer is None or buffer.kind is not kind or buffer.start[:3] != start[:3]:
            buffer = self._open[task_id] = TextBuffer(task_id, position, start, kind)
            self._add(buffer)
        buffer.pieces.append(text)

    async def close(self) -> None:
        """Wait until everything is sent."""
        self._closing = True
        if self._sender is not None:
            await asyncio.wait([self._sender])

    def _add(self, item: EventRecord | TextBuffer) -> None:
        self._pending.append(item)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all(), context=Context())

    async def _send_all(self) -> None:
        try:
            while self._pending:
                batch, self._pending = self._pending[:MOST_RECORDS], self._pending[MOST_RECORDS:]
                if not self._pending:
                    self._open.clear()
                else:
                    self._open = {b.task_id: b for b in self._open.values() if b in self._pending}
                await self._send([item if isinstance(item, EventRecord) else item.record() for item in batch])
                if len(self._pending) < MOST_RECORDS and not self._closing:
                    await asyncio.sleep(GATHER_SECONDS)
        finally:
            self._sender = None

    async def _send(self, records: list[EventRecord]) -> None:
        try:
            await self._event_log.publish(records)
        except BrokerUnavailable as error:
            self._outage.goes_on(error.message)
        else:
            self._outage.is_over()
