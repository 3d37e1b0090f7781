"""Tells workers and readers what the store already knows; nobody waits for it, and it may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from contextvars import Context
from typing import Generic, TypeVar

import structlog

from roadworthy.core.insight.change_record import change_record
from roadworthy.core.outage import Outage
from roadworthy.core.publisher import EventPublisher
from roadworthy.domain.errors import BrokerUnavailable
from roadworthy.domain.ids import TaskId
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.ports.event_log import CancelSignals
from roadworthy.ports.work_queue import WorkQueue

_MOST_KEPT = 1000

T = TypeVar("T", bound=Hashable)


class Announcer:
    """What comes in one tick of the loop goes out together: one ticket a lane, one signal a task.

    While the broker is away everything is dropped: workers also claim unasked and hear of cancelled tasks with
    their heartbeats, readers ask the store.
    """

    def __init__(self, work_queue: WorkQueue, publisher: EventPublisher, cancel_signals: CancelSignals) -> None:
        async def signal(cancelled: set[TaskId]) -> None:
            for task_id in cancelled:
                await cancel_signals.send(task_id)

        self._publisher = publisher
        # Apart, because they may go to different brokers: a signal does not wait for tickets that nobody takes.
        self._tickets = _Outbox[str](work_queue.post, "tickets_lost", "tickets_sent_again")
        self._signals = _Outbox[TaskId](signal, "signals_lost", "signals_sent_again")

    def changed(self, task: Task) -> None:
        """The task's status has changed to what it is now: its readers hear of it, and workers if it is queued."""
        self._publisher.publish(change_record(task))
        if task.status is TaskStatus.QUEUED:
            self.wake((task.lane,))

    def wake(self, lanes: Iterable[str]) -> None:
        """There is work in these lanes."""
        self._tickets.put(lanes)

    def cancelled(self, task_id: TaskId) -> None:
        """Somebody cancelled this running task."""
        self._signals.put((task_id,))

    async def close(self) -> None:
        """Wait until everything is sent."""
        await asyncio.gather(self._tickets.close(), self._signals.close())


class _Outbox(Generic[T]):
    """Sends what was put in since it sent the last time; what can't be sent is lost."""

    def __init__(self, send: Callable[[set[T]], Awaitable[None]], lost: str, restored: str) -> None:
        self._send_out = send
        self._lost = lost
        self._items: set[T] = set()
        self._sender: asyncio.Task[None] | None = None
        self._outage = Outage(lost, restored)

    def put(self, items: Iterable[T]) -> None:
        if len(self._items) < _MOST_KEPT:
            self._items.update(items)
        if self._items and self._sender is None:
            self._sender = asyncio.create_task(self._send_all(), context=Context())

    async def close(self) -> None:
        if self._sender is not None:
            await asyncio.wait([self._sender])

    async def _send_all(self) -> None:
        try:
            while self._items:
                items, self._items = self._items, set()
                await self._send(items)
        finally:
            self._sender = None

    async def _send(self, items: set[T]) -> None:
        try:
            await self._send_out(items)
        except BrokerUnavailable as error:
            self._outage.goes_on(error.message)
        except Exception:
            structlog.get_logger().exception(self._lost)
        else:
            self._outage.is_over()
