"""Threads for tools that are plain functions."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from roadworthy.core.execution.progress import calling

P = ParamSpec("P")
T = TypeVar("T")

MOST_THREADS = 10_000
"""A thread is made when there is no idle one. Never so few that calls wait for threads that hang."""


class ToolThreads(ThreadPoolExecutor):
    """Tells each call which threads it has under way."""

    def __init__(self) -> None:
        super().__init__(MOST_THREADS, thread_name_prefix="tool")

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[Any] = super().submit(fn, *args, **kwargs)
        if (call := calling.get()) is not None:
            call.threads.append(future)
        return future

    def close(self) -> None:
        """Without waiting for threads that hang."""
        self.shutdown(wait=False, cancel_futures=True)
