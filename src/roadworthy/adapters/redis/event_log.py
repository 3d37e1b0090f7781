"""Live events: one stream and one channel a task."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial

from roadworthy.adapters.redis.client import Client, Script
from roadworthy.adapters.redis.connection import Argument
from roadworthy.adapters.redis.encoding import decode, encode
from roadworthy.adapters.redis.mailbox import Mailbox
from roadworthy.adapters.redis.server import RedisServer
from roadworthy.adapters.redis.subscriber import MAILBOX_BYTES, Subscriber
from roadworthy.domain.event import EventKind, EventRecord
from roadworthy.domain.ids import TaskId

KEPT_RECORDS = 20_000
"""Of one task, roughly; older ones are rebuilt from the journal."""
LIVE_MILLISECONDS = 3_600_000
"""A stream lives on so long after its last durable record."""
ENDED_MILLISECONDS = 300_000
"""After `done`: readers who come later read the store. Text is the most of what the server holds."""
RECORDS_A_SCRIPT = 500
"""The server does nothing else meanwhile: about 10 µs a record."""
PAGE_RECORDS = 1_000

_TEXT = frozenset({EventKind.TEXT, EventKind.THINKING, EventKind.RESTART})


class RedisEventLog:
    """Implements `ports.event_log.EventLog`.

    Whoever reads more slowly than records come (`mailbox_bytes` behind) loses what has gathered, and is told so by an
    empty answer.
    """

    def __init__(self, server: RedisServer, mailbox_bytes: int = MAILBOX_BYTES) -> None:
        self._client = Client(server)
        self._subscriber = Subscriber(server, mailbox_bytes)
        self._publish = Script("publish")

    async def publish(self, records: Sequence[EventRecord]) -> None:
        for start in range(0, len(records), RECORDS_A_SCRIPT):
            keys: list[str] = []
            arguments: list[Argument] = [KEPT_RECORDS, LIVE_MILLISECONDS]
            for record in records[start : start + RECORDS_A_SCRIPT]:
                keys.append(_stream(record.task_id))
                arguments += (record.number, _lives(record), encode(record))
            await self._client.run(self._publish, keys, arguments)

    async def read(self, task_id: TaskId, after: int) -> list[EventRecord]:
        records: list[EventRecord] = []
        while True:
            page = await self._client.call("XRANGE", _stream(task_id), after + 1, "+", "COUNT", PAGE_RECORDS)
            for entry_id, (_, encoded) in page:
                after = int(entry_id.partition(b"-")[0])
                try:
                    records.append(decode(task_id, encoded))
                except ValueError:
                    continue  # of a newer release: the reader notices that a predecessor is missing
            if len(page) < PAGE_RECORDS:
                return records

    def subscribe(self, task_id: TaskId) -> AbstractAsyncContextManager[Mailbox[EventRecord]]:
        return self._subscriber.subscribe(_stream(task_id), partial(decode, task_id))

    async def close(self) -> None:
        await self._subscriber.close()
        await self._client.close()


def _stream(task_id: TaskId) -> str:
    return f"roadworthy:events:{task_id}"


def _lives(record: EventRecord) -> int:
    kinds = [event.kind for event in record.events]
    if EventKind.DONE in kinds:
        return ENDED_MILLISECONDS
    return 0 if _TEXT.issuperset(kinds) else LIVE_MILLISECONDS
