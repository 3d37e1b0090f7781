"""Follows one task's events for one client: from the store, then live, and from the store again where live
records were lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from roadworthy.core.insight.event_reader import EventReader, Missing
from roadworthy.core.insight.followers import Follower, Followers
from roadworthy.core.insight.live_records import deliver_live_records
from roadworthy.domain.errors import BrokerUnavailable, NotFound, StoreUnavailable
from roadworthy.domain.event import Event, EventRecord
from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import JournalEntry
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.ports.clock import Clock
from roadworthy.ports.event_log import EventLog
from roadworthy.ports.journal import Journal
from roadworthy.ports.task_store import TaskStore

HEARTBEAT_SECONDS = 15.0
_SUBSCRIBE_SECONDS = 2.0


class FollowTask:
    """Opens event streams."""

    def __init__(
        self,
        task_store: TaskStore,
        journal: Journal,
        event_log: EventLog,
        followers: Followers,
        clock: Clock,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self.task_store = task_store
        self.journal = journal
        self.event_log = event_log
        self.followers = followers
        self.clock = clock
        self.heartbeat_seconds = heartbeat_seconds

    async def __call__(
        self, principal: Principal, task_id: TaskId, after: int = 0
    ) -> AsyncGenerator[list[Event], None]:
        """Events above `after`, as they come, until a life of the task is over.

        The first list comes at once and may be empty; later an empty one is a heartbeat. Before the first list
        it raises NotFound, IllegalCursor and StoreUnavailable; after that only the end of the task, of the
        process or of the caller ends it (a deleted task ends without `done`). Close it with `aclosing`.
        """
        reader = EventReader(after)
        with self.followers.joined(task_id) as follower:
            live = asyncio.create_task(deliver_live_records(self.event_log, self.clock, follower))
            try:
                await follower.ready(_SUBSCRIBE_SECONDS)
                stream = _Stream(self, principal, follower, reader)
                yield await stream.begin()
                loop = asyncio.get_running_loop()
                heartbeat_at = loop.time() + self.heartbeat_seconds
                while not (reader.ended or self.followers.dismissed):
                    await follower.wait(heartbeat_at)
                    events = await stream.news()
                    if events or loop.time() >= heartbeat_at:
                        yield events
                        heartbeat_at = loop.time() + self.heartbeat_seconds
            except NotFound:
                if follower.position is None:
                    raise
            finally:
                live.cancel()
                await asyncio.wait([live])


class _Stream:
    def __init__(self, rooms: FollowTask, principal: Principal, follower: Follower, reader: EventReader) -> None:
        self._rooms = rooms
        self._principal = principal
        self._follower = follower
        self._reader = reader

    async def begin(self) -> list[Event]:
        """Everything up to now."""
        task = await self._rooms.task_store.find(self._principal, self._follower.task_id)
        self._reader.check_cursor(task)
        events = await self._up_to(task)
        if task.status is TaskStatus.RUNNING:
            events += await self._from_live_log()
        return events

    async def news(self) -> list[Event]:
        """What came since, and what is found to have been missed; nothing where the store is needed and away."""
        follower = self._follower
        events: list[Event] = []
        if follower.behind:
            follower.behind = False
            events += await self._from_store()
        if follower.lost:
            follower.lost = False
            events += await self._from_live_log()
        for record in follower.take():
            events += await self._from_record(record)
        return events

    async def _from_record(self, record: EventRecord) -> list[Event]:
        events, missing = self._reader.from_log(record)
        if missing is Missing.TEXT:
            events += await self._from_live_log()
        elif missing is Missing.STORE:
            events += await self._from_store()
        else:
            self._moved()
            return events
        return events + await self._at_last(record)

    async def _at_last(self, record: EventRecord) -> list[Event]:
        """The record once more, after what it lacked was fetched. What is still missing is left to the store,
        which is asked again as soon as the check of all readers finds this one behind."""
        events, missing = self._reader.from_log(record, last_resort=True)
        if missing is Missing.STORE:
            events += await self._from_store()
            events += self._reader.from_log(record, last_resort=True)[0]
        self._moved()
        return events

    async def _from_live_log(self) -> list[Event]:
        try:
            records = await self._rooms.event_log.read(self._follower.task_id, self._reader.cursor)
        except BrokerUnavailable:
            return []
        events: list[Event] = []
        for record in records:
            events += await self._at_last(record)
        return events

    async def _from_store(self) -> list[Event]:
        try:
            return await self._up_to(await self._rooms.task_store.find(self._principal, self._follower.task_id))
        except StoreUnavailable:
            return []

    async def _up_to(self, task: Task) -> list[Event]:
        entries: Sequence[JournalEntry] = ()
        if task.journal_length > self._reader.next_sequence:
            entries = await self._rooms.journal.read(self._principal, task.id, self._reader.next_sequence)
        events = self._reader.from_store(task, entries)
        self._moved()
        return events

    def _moved(self) -> None:
        self._follower.position = self._reader.position
