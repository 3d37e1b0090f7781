"""Runs a process from its event loop to its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

MOST_THREADS = 10_000
"""For tools that are plain functions: as many as a worker may run tasks. A thread is made when there is no idle one;
asyncio's own limit, four more than processors, would let a few slow tools hold up all the others."""
_LAST_SECONDS = 1.0
_INTERRUPTED = 130
"""As a shell says it of a command that Ctrl-C ended."""


def run_process(process: Callable[[asyncio.Event], Awaitable[Any]]) -> None:
    """Run until the process ends or SIGINT or SIGTERM comes; a second signal ends it without waiting.

    Threads that have not come back by then are left behind, and tasks that ignore their cancellation.
    """
    executor = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="tool")

    async def main() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        this = asyncio.current_task()

        def ask() -> None:
            if stop.is_set() and this is not None:
                this.cancel()
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ask)
        loop.set_default_executor(executor)
        await process(stop)

    with asyncio.Runner(loop_factory=_new_event_loop()) as runner:
        code = 0
        try:
            runner.run(main())
        except asyncio.CancelledError:
            code = _INTERRUPTED
        executor.shutdown(wait=False, cancel_futures=True)
        _leave_behind(runner.run(_tasks_that_stay()), code)
    if code:
        raise SystemExit(code)


def _new_event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _tasks_that_stay() -> list[str]:
    """The tasks that do not end although they are told to: the event loop would wait for them when it is closed."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    _, staying = await asyncio.wait(tasks, timeout=_LAST_SECONDS) if tasks else (tasks, tasks)
    return [task.get_name() for task in staying]


def _leave_behind(tasks: list[str], code: int) -> None:
    """End here if something hangs: the interpreter would wait for it, and a drained worker would never end."""
    threads = [each for each in threading.enumerate() if each is not threading.current_thread() and not each.daemon]
    deadline = time.monotonic() + _LAST_SECONDS
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    hanging = [thread.name for thread in threads if thread.is_alive()]
    if hanging or tasks:
        structlog.get_logger().warning("left_behind", threads=hanging, tasks=tasks)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
