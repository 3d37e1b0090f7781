"""Notices from outside that the event loop stands still, and says which task and tool hold it."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import structlog

from roadworthy.domain.ids import TaskId

TICK_SECONDS = 0.25
BLOCKED_SECONDS = 1.0

log = structlog.get_logger()


class LoopWatchdog:
    """Logs `event_loop_blocked` once for each time that the loop stood still for a second.

    `held_by` names the task, and the tool if it is in one, that an asyncio task runs.
    """

    def __init__(self, held_by: Callable[[asyncio.Task[Any]], tuple[TaskId | None, str | None]]) -> None:
        self._held_by = held_by
        self._ticked = time.monotonic()
        self._stop = threading.Event()
        self._handle: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None

    @property
    def blocked_seconds(self) -> float:
        """How long the loop has not come round, 0 while it runs."""
        silent = time.monotonic() - self._ticked
        return silent if silent > BLOCKED_SECONDS else 0.0

    def start(self) -> None:
        if self._thread is None:
            loop = asyncio.get_running_loop()
            self._tick(loop)
            arguments = (loop, threading.get_ident())
            self._thread = threading.Thread(target=self._watch, args=arguments, name="loop-watchdog", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._handle is not None:
            self._handle.cancel()

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ticked = time.monotonic()
        self._handle = loop.call_later(TICK_SECONDS, self._tick, loop)

    def _watch(self, loop: asyncio.AbstractEventLoop, thread_id: int) -> None:
        reported = False
        while not self._stop.wait(TICK_SECONDS):
            seconds = self.blocked_seconds
            if not seconds:
                reported = False
            elif not reported:
                reported = True
                self._report(loop, thread_id, seconds)

    def _report(self, loop: asyncio.AbstractEventLoop, thread_id: int, seconds: float) -> None:
        task = asyncio.current_task(loop)
        task_id, tool = self._held_by(task) if task else (None, None)
        frame = sys._current_frames().get(thread_id)  # pyright: ignore[reportPrivateUsage]
        at = traceback.extract_stack(frame)[-1] if frame else None
        log.error(
            "event_loop_blocked",
            task_id=str(task_id) if task_id else None,
            tool=tool,
            at=f"{at.filename}:{at.lineno} {at.name}" if at else None,
            seconds=round(seconds, 1),
            advice="everything in this process stands still"
            + ("; make the tool a plain `def`, it then runs in a thread" if tool else ""),
        )
