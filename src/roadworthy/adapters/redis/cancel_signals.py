"""Hints that a running task was cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

from roadworthy.adapters.redis.client import Client
from roadworthy.adapters.redis.server import RedisServer
from roadworthy.adapters.redis.subscriber import Subscriber
from roadworthy.domain.errors import BrokerUnavailable
from roadworthy.domain.ids import TaskId

CHANNEL = "roadworthy:cancel"
RETRY_SECONDS = 1.0
IDLE_SECONDS = 60.0


class RedisCancelSignals:
    """Implements `ports.event_log.CancelSignals`."""

    def __init__(self, server: RedisServer) -> None:
        self._client = Client(server)
        self._subscriber = Subscriber(server)
        self._closed = asyncio.Event()

    async def send(self, task_id: TaskId) -> None:
        await self._client.call("PUBLISH", CHANNEL, task_id.bytes)

    async def listen(self) -> AsyncIterator[TaskId]:
        """Signals sent from now on, also over outages of the broker; ends with `close`."""
        while not self._closed.is_set():
            try:
                async with self._subscriber.subscribe(CHANNEL, _task_id) as signals:
                    while not self._closed.is_set():
                        for task_id in await signals.next(IDLE_SECONDS):
                            yield task_id
            except BrokerUnavailable:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closed.wait(), RETRY_SECONDS)

    async def close(self) -> None:
        self._closed.set()
        await self._subscriber.close()
        await self._client.close()


def _task_id(payload: bytes) -> TaskId:
    return UUID(bytes=payload)
