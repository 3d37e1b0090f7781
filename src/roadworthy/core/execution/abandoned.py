"""What was told to end and did not: the worker goes on without it, and says so."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import Future
from typing import Any

import structlog

log = structlog.get_logger()


class Abandoned:
    """The tasks and threads that a worker has left behind and that still run, by what they were doing."""

    def __init__(self) -> None:
        self._left: dict[asyncio.Task[Any] | Future[Any], str] = {}

    @property
    def count(self) -> int:
        return len(self._left)

    def leave_task(self, task: asyncio.Task[Any], name: str, task_id: object) -> None:
        self._leave(task, name, task_id, "ignored its cancellation")
        task.add_done_callback(self._came_back)

    def leave_thread(self, thread: Future[Any], name: str, task_id: object) -> None:
        self._leave(thread, name, task_id, "runs in a thread, which nothing can end")
        loop = asyncio.get_running_loop()

        def came_back(thread: Future[Any]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._came_back, thread)

        thread.add_done_callback(came_back)

    def _leave(self, left: asyncio.Task[Any] | Future[Any], name: str, task_id: object, why: str) -> None:
        self._left[left] = name
        log.error(
            "call_abandoned",
            what=name,
            task_id=str(task_id),
            why=why,
            abandoned=dict(Counter(self._left.values())),
            advice="give it a time limit of its own; restart this worker if many of them do not come back",
        )

    def _came_back(self, left: asyncio.Task[Any] | Future[Any]) -> None:
        name = self._left.pop(left, None)
        if not left.cancelled():
            left.exception()  # Or it would be reported as never looked at.
        log.warning("abandoned_call_came_back", what=name, abandoned=self.count)
