"""Notices from outside that the event loop stands still, and says which task or tool holds it."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from roadworthy.core.tool_gateway.tool_threads import RunningTool
from roadworthy.domain.ids import TaskId

TICK_SECONDS = 0.25
BLOCKED_SECONDS = 1.0
_MOST_OF_IT = 0.5
"""Of what the process computed while nothing else ran: whoever did that much was the one."""
_WORTH_NAMING = 0.1
"""Of the time: who computed less was stopped with all others, or the machine had too much to do."""

log = structlog.get_logger()


class LoopWatchdog:
    """Logs `event_loop_blocked` once for each time that the loop stood still for a second.

    `held_by` names the task, and the tool if it is in one, that an asyncio task runs. Where nothing in the process ran
    at all, it was a thread that kept the interpreter's lock: `threads` are those of tools.
    """

    def __init__(
        self,
        held_by: Callable[[asyncio.Task[Any]], tuple[TaskId | None, str | None]],
        threads: Callable[[], Sequence[RunningTool]] = tuple,
    ) -> None:
        self._held_by = held_by
        self._threads = threads
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
        while True:
            began, computed = time.monotonic(), time.process_time()
            before = {tool: tool.cpu_seconds for tool in self._threads()}
            if self._stop.wait(TICK_SECONDS):
                return
            seconds = self.blocked_seconds
            late = time.monotonic() - began - TICK_SECONDS
            holder = None
            if late > BLOCKED_SECONDS:
                computed = time.process_time() - computed
                holder = self._computed_most(before, max(computed * _MOST_OF_IT, late * _WORTH_NAMING))
            if holder is not None:
                reported = True
                _report_thread(holder, late)
            elif not seconds:
                reported = False
            elif not reported:
                reported = True
                self._report(loop, thread_id, seconds)

    def _computed_most(self, before: Mapping[RunningTool, float], least: float) -> RunningTool | None:
        """What kept the interpreter's lock; None where it was no tool in a thread."""
        spent = {tool: tool.cpu_seconds - before.get(tool, tool.cpu_before) for tool in {*before, *self._threads()}}
        most = max(spent, key=lambda tool: spent[tool], default=None)
        return most if most is not None and spent[most] > least else None

    def _report(self, loop: asyncio.AbstractEventLoop, thread_id: int, seconds: float) -> None:
        task = asyncio.current_task(loop)
        task_id, tool = self._held_by(task) if task else (None, None)
        log.error(
            "event_loop_blocked",
            task_id=str(task_id) if task_id else None,
            tool=tool,
            at=_place_of(thread_id),
            seconds=round(seconds, 1),
            advice="everything in this process stands still"
            + ("; make the tool a plain `def`, it then runs in a thread" if tool else ""),
        )


def _report_thread(holder: RunningTool, seconds: float) -> None:
    log.error(
        "event_loop_blocked",
        tool=holder.tool,
        at=_place_of(holder.thread),
        seconds=round(seconds, 1),
        advice="everything in this process stood still: a function in a thread kept the interpreter's lock (GIL); "
        "run it in a process of its own, or in smaller parts",
    )


def _place_of(thread: int) -> str | None:
    """The line that a thread is at."""
    frame = sys._current_frames().get(thread)  # pyright: ignore[reportPrivateUsage]
    at = traceback.extract_stack(frame)[-1] if frame else None
    return f"{at.filename}:{at.lineno} {at.name}" if at else None
