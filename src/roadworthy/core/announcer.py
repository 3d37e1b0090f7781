"""Tells workers and readers what the store already knows; nobody waits for it, and it may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextvars import Context

import structlog

from roadworthy.core.insight.change_record import change_record
from roadworthy.core.publisher import EventPublisher
from roadworthy.domain.errors import BrokerUnavailable
from roadworthy.domain.ids import TaskId
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.ports.event_log import CancelSignals
from roadworthy.ports.work_queue import WorkQueue

_MOST_SIGNALS = 1000


class Announcer:
    """What comes in one tick of the loop goes out together: one ticket a lane, one signal a task.

    While the broker is away everything is dropped: workers also claim unasked and hear of cancelled tasks with
    their heartbeats, readers ask the store.
    """

    def __init__(self, work_queue: WorkQueue, publisher: EventPublisher, cancel_signals: CancelSignals) -> None:
        self._work_queue = work_queue
        self._publisher = publisher
        self._cancel_signals = cancel_signals
        self._lanes: set[str] = set()
        self._cancelled: set[TaskId] = set()
        self._sender: asyncio.Task[None] | None = None
        self._broker_away = False

    def changed(self, task: Task) -> None:
        """The task's status has changed to what it is now: its readers hear of it, and workers if it is queued."""
        self._publisher.publish(change_record(task))
        if task.status is TaskStatus.QUEUED:
            self.wake((task.lane,))

    def wake(self, lanes: Iterable[str]) -> None:
        """There is work in these lanes."""
        self._lanes.update(lanes)
        if self._lanes:
            self._wake_sender()

    def cancelled(self, task_id: TaskId) -> None:
        """Somebody cancelled this running task."""
        if len(self._cancelled) < _MOST_SIGNALS:
            self._cancelled.add(task_id)
            self._wake_sender()

    async def close(self) -> None:
        """Wait until everything is sent."""
        if self._sender is not None:
            await asyncio.wait([self._sender])

    def _wake_sender(self) -> None:
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all(), context=Context())

    async def _send_all(self) -> None:
        try:
            while self._lanes or self._cancelled:
                lanes, self._lanes = self._lanes, set()
                cancelled, self._cancelled = self._cancelled, set()
                await self._send(lanes, cancelled)
        finally:
            self._sender = None

    async def _send(self, lanes: set[str], cancelled: set[TaskId]) -> None:
        log = structlog.get_logger()
        try:
            if lanes:
                await self._work_queue.post(lanes)
            for task_id in cancelled:
                await self._cancel_signals.send(task_id)
        except BrokerUnavailable as error:
            if not self._broker_away:
                log.warning("tickets_lost", reason=error.message)
            self._broker_away = True
        except Exception:
            log.exception("tickets_lost")
        else:
            self._broker_away = False
