"""Threads for tools that are plain functions: so many at once, those that hang not counted."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

from roadworthy.core.execution.progress import OpenCall, ThreadWork, calling
from roadworthy.domain.effect import NotDone

P = ParamSpec("P")
T = TypeVar("T")

AT_ONCE = 200
"""More threads than that take the interpreter from each other, and from the event loop."""
MOST_THREADS = 10_000
"""With those that hang. A thread is made when there is no idle one."""


@dataclass(slots=True, eq=False)
class LatestStart:
    """Of a tool that does nothing before it has its thread, however long it waits for one."""

    at: float
    """By this process's clock."""
    otherwise: str
    """What is said where it comes later, and is not called."""
    is_over: bool = False
    """The thread that it waits for is asked for."""

    def check(self) -> None:
        if time.monotonic() >= self.at:
            raise NotDone(self.otherwise)


@dataclass(frozen=True, slots=True)
class RunningTool:
    """A function that runs in a thread, as a watchdog sees it."""

    tool: str | None
    """None for what an agent itself runs in a thread."""
    thread: int
    cpu_clock: int | None
    """That tells how long the thread has been computing; None where the system has none."""
    cpu_before: float
    """What it showed when the function began."""

    @property
    def cpu_seconds(self) -> float:
        """0 where nobody knows, or it has ended."""
        try:
            return 0.0 if self.cpu_clock is None else time.clock_gettime(self.cpu_clock)
        except OSError:
            return 0.0


class Work(ThreadWork):
    """What one thread does, or is to do once there is a place for it."""

    def __init__(self, threads: ToolThreads, function: Callable[[], Any], call: OpenCall | None) -> None:
        super().__init__()
        self.threads = threads
        self.function = function
        self.call = call
        self.is_counted = False
        self.has_waited = False
        self.latest_start: LatestStart | None = None

    def leave(self) -> None:
        """Count it no longer: nobody waits for it any more, and nothing can end it."""
        self.threads.leave(self)


class ToolThreads(Executor):
    """Tells each call which threads it has under way. What waits for a thread is on nobody's time."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="tool")
        self._lock = threading.Lock()
        self._counted = 0
        self._waiting: deque[Work] = deque()
        self._running: dict[Work, RunningTool] = {}
        self._ended: deque[RunningTool] = deque(maxlen=16)

    @property
    def seen_lately(self) -> list[RunningTool]:
        """What runs, also of what was left behind, and what ended last."""
        return [*self._running.values(), *self._ended]

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        work = Work(self, partial(fn, *args, **kwargs), calling.get())
        if work.call is not None:
            work.call.threads.append(work)
        if (latest := latest_start.get()) is not None and not latest.is_over:
            work.latest_start, latest.is_over = latest, True
        with self._lock:
            waits = self._counted >= self._at_once
            if waits:
                work.has_waited = True
                self._waiting.append(work)
            else:
                self._count(work)
        if not waits:
            self._pool.submit(self._run, work)
        elif work.call is not None:
            work.call.waits_for_thread()
        return work

    def leave(self, work: Work) -> None:
        begins: list[Work] = []
        with self._lock:
            if work.is_counted:
                work.is_counted = False
                self._counted -= 1
            while self._waiting and self._counted < self._at_once:
                begins.append(self._waiting.popleft())
                self._count(begins[-1])
        for one in begins:
            self._pool.submit(self._run, one)

    def close(self) -> None:
        """Without waiting for threads that hang."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        for work in waiting:
            work.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _count(self, work: Work) -> None:
        work.is_counted = True
        self._counted += 1

    def _run(self, work: Work) -> None:
        try:
            if not work.set_running_or_notify_cancel():
                return
            if work.has_waited and work.call is not None:
                work.call.has_thread()
            self._running[work] = _running(work)
            try:
                if work.latest_start is not None:
                    work.latest_start.check()
                result = work.function()
            except BaseException as error:
                work.set_exception(error)
            else:
                work.set_result(result)
        finally:
            if (tool := self._running.pop(work, None)) is not None:
                self._ended.append(tool)
            self.leave(work)


latest_start: ContextVar[LatestStart | None] = ContextVar("roadworthy_latest_start", default=None)
"""Of the present call."""


def _running(work: Work) -> RunningTool:
    thread = threading.get_ident()
    clock_of = getattr(time, "pthread_getcpuclockid", None)
    tool = None if work.call is None else work.call.tool
    return RunningTool(tool, thread, None if clock_of is None else clock_of(thread), time.thread_time())
