"""Carries live events from workers to readers. What it loses is rebuilt from the journal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from roadworthy.domain.event import EventRecord
from roadworthy.domain.ids import TaskId


class EventLog(Protocol):
    async def publish(self, records: Sequence[EventRecord]) -> None:
        """Add records of any number of tasks, in order; one whose number does not rise above the task's last is
        dropped (it comes from an attempt that is over)."""
        ...

    async def read(self, task_id: TaskId, after: int) -> list[EventRecord]:
        """The records with a number above `after` that are still there."""
        ...

    def subscribe(self, task_id: TaskId) -> AbstractAsyncContextManager[Subscription]:
        """Records published from now on (from the entering of the context on)."""
        ...

    async def close(self) -> None: ...


class Subscription(Protocol):
    async def next(self, seconds: float) -> list[EventRecord]:
        """All that has come, waiting up to `seconds` for the first; empty if nothing came, or if the live
        connection broke and may have lost something."""
        ...


class CancelSignals(Protocol):
    """A hint to the workers that a running task was cancelled in the store; it may be lost."""

    async def send(self, task_id: TaskId) -> None: ...

    def listen(self) -> AsyncIterator[TaskId]: ...
