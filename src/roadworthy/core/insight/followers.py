"""Who in this process reads a task's events now, and the one query that tells which of them are behind."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import structlog

from roadworthy.domain.errors import StoreUnavailable
from roadworthy.domain.event import EventRecord, Position
from roadworthy.domain.ids import TaskId
from roadworthy.ports.clock import Clock
from roadworthy.ports.task_store import TaskStore

CHECK_SECONDS = 3.0
_MOST_RECORDS = 1000


class Follower:
    """One reader's mailbox: what came live, and what it was told about the store."""

    def __init__(self, task_id: TaskId) -> None:
        self.task_id = task_id
        self.position: Position | None = None
        """What the reader has of the store; None until it has read it once."""
        self.behind = False
        """The store has more."""
        self.lost = False
        """Live records may be missing."""
        self._records: list[EventRecord] = []
        self._news = asyncio.Event()
        self._ready = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def deliver(self, records: Sequence[EventRecord]) -> None:
        """Records that came live. For a reader too slow to take them they are dropped: the store has them."""
        if not records:
            return
        self._records.extend(records)
        if len(self._records) > _MOST_RECORDS:
            self._records.clear()
            self.lost = True
        self._news.set()

    def subscribed(self) -> None:
        """Live records arrive from now on; those before may be missing, unless the reader waited for this."""
        if self._ready.is_set():
            self.lost = True
            self._news.set()
        self._ready.set()

    def not_subscribed(self) -> None:
        """There will be no live records for now."""
        self._ready.set()

    def nudge(self) -> None:
        self.behind = True
        self._news.set()

    async def ready(self, seconds: float) -> None:
        """Wait until live records arrive, or won't, or `seconds` are over."""
        try:
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        except TimeoutError:
            self._ready.set()

    async def wait(self, until: float) -> None:
        """Wait for news, or about until that time of the loop's clock: sometimes less."""
        # One timer for many waits: one a wait would cost as much as all the rest of a piece of text.
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(until, self._time_over)
        await self._news.wait()
        self._news.clear()

    def _time_over(self) -> None:
        self._timer = None
        self._news.set()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def take(self) -> list[EventRecord]:
        """What came live since the last time."""
        records, self._records = self._records, []
        return records


class Followers:
    """The open readers of this process. While there are any, their positions are checked every few seconds, so
    that the end of a stream never depends on the broker."""

    def __init__(self, task_store: TaskStore, clock: Clock, check_seconds: float = CHECK_SECONDS) -> None:
        self._task_store = task_store
        self._clock = clock
        self._seconds = check_seconds
        self.dismissed = False
        self._open: dict[Follower, None] = {}  # told in the order in which they came
        self._checking: asyncio.Task[None] | None = None

    @property
    def open_readers(self) -> int:
        return len(self._open)

    @contextmanager
    def joined(self, task_id: TaskId) -> Generator[Follower]:
        follower = Follower(task_id)
        self._open[follower] = None
        if self._checking is None:
            self._checking = asyncio.create_task(self._check_while_open())
        try:
            yield follower
        finally:
            follower.close()
            self._open.pop(follower, None)
            if not self._open:
                self._checking.cancel()
                self._checking = None

    def dismiss(self) -> None:
        """The process ends: every stream, also those yet to be opened, ends without `done` as soon as it has told
        what is there; its client comes back to another server."""
        self.dismissed = True
        for follower in self._open:
            follower.nudge()

    async def check(self) -> int:
        """Ask the store once for all; wake those who are behind and return how many that were."""
        readers = [follower for follower in self._open if follower.position is not None]
        if not readers:
            return 0
        positions = await self._task_store.positions(list({follower.task_id for follower in readers}))
        woken = 0
        for follower in readers:
            if _is_behind(follower.position, positions.get(follower.task_id)):
                follower.nudge()
                woken += 1
        return woken

    async def _check_while_open(self) -> None:
        while True:
            await self._clock.sleep(self._seconds)
            try:
                await self.check()
            except StoreUnavailable as error:
                structlog.get_logger().warning("event_readers_not_checked", error=error.message)
            except Exception:
                structlog.get_logger().exception("event_readers_not_checked")


def _is_behind(own: Position | None, found: tuple[int, int, bool] | None) -> bool:
    """A task that is gone counts as behind: its readers find out and end."""
    if own is None or found is None:
        return True
    journal, changes, _ = found
    return journal > own.journal or changes > own.changes
