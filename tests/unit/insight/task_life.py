"""A task that lives in memory as a worker would let it live, and clients that watch it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar
from uuid import uuid4

import orjson

from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.event_log import MemoryEventLog
from roadworthy.adapters.memory.journal import MemoryJournal
from roadworthy.adapters.memory.task_store import MemoryTaskStore
from roadworthy.adapters.memory.worker_registry import MemoryWorkerRegistry
from roadworthy.core.insight.change_record import change_record, result_of
from roadworthy.core.insight.follow_task import FollowTask
from roadworthy.core.insight.followers import Followers
from roadworthy.domain.errors import BrokerUnavailable, StoreUnavailable
from roadworthy.domain.event import (
    Event,
    EventKind,
    EventRecord,
    Place,
    Position,
    entry_events,
    rebuilt_events,
    text_end_of,
)
from roadworthy.domain.ids import new_id
from roadworthy.domain.journal import Appended, EntryKind, EntryWrite
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import Claimed, NewTask, Settlement, Task, TaskStatus, Usage
from roadworthy.ports.task_store import Settled
from roadworthy.ports.worker_registry import Worker
from roadworthy.testing.manual_clock import ManualClock

T = TypeVar("T")
LANE = "support@1"
_BROKER = ("work_queue.", "event_log.", "cancel_signals.", "cache.")


class Outages:
    """Faults that last: store or broker are away until they are back."""

    def __init__(self) -> None:
        self.store_away = False
        self.broker_away = False
        self.calls: list[str] = []

    async def around(self, operation: str, apply: Callable[[], T]) -> T:
        self.calls.append(operation)
        await asyncio.sleep(0)
        if operation.startswith(_BROKER):
            if self.broker_away:
                raise BrokerUnavailable
        elif self.store_away:
            raise StoreUnavailable
        result = apply()
        await asyncio.sleep(0)
        return result


class World:
    """Store, broker and API server in memory."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.outages = Outages()
        self.database = MemoryDatabase(self.clock, self.outages)
        self.broker = MemoryBroker(self.clock, self.outages)
        self.task_store = MemoryTaskStore(self.database)
        self.journal = MemoryJournal(self.database)
        self.event_log = MemoryEventLog(self.broker)
        self.workers = MemoryWorkerRegistry(self.database)
        self.followers = Followers(self.task_store, self.clock)
        self.follow = self.api_server(self.followers)

    def api_server(self, followers: Followers | None = None) -> FollowTask:
        followers = followers or Followers(self.task_store, self.clock)
        return FollowTask(self.task_store, self.journal, self.event_log, followers, self.clock)

    async def life(self) -> Life:
        new = NewTask(new_id(), DEVELOPER, new_id(), True, "support", "1", "hello", Limits())
        outcome = (await self.task_store.submit([new]))[0]
        life = Life(self, outcome.task)
        await life.publish(change_record(life.task))
        return life

    async def settle(self) -> None:
        """Let everybody act on what has happened, without time passing."""
        await self.clock.advance(0)


class Life:
    """What a worker does to one task; it publishes what is in `publish`'s hands."""

    def __init__(self, world: World, task: Task) -> None:
        self.world = world
        self.task = task
        self.claimed: Claimed | None = None
        self.lose_next = False
        self.say_next_twice = False
        self.step = 0
        self.try_ = 0
        self.text_place: Place | None = None
        self.pieces: list[list[str]] = []
        self.position = Position(0, 0)

    async def publish(self, record: EventRecord) -> None:
        lost, twice = self.lose_next, self.say_next_twice
        self.lose_next = self.say_next_twice = False
        if lost:
            return
        try:
            await self.world.event_log.publish([record])
        except BrokerUnavailable:
            return
        if twice:
            for inbox in self.world.broker.subscribers.get(record.task_id, ()):
                inbox.records.append(record)
                inbox.arrived.set()

    async def claim(self) -> None:
        worker = Worker(uuid4(), {LANE: ""}, "here", 1)
        await self.world.workers.register(worker, 30)
        (self.claimed,) = await self.world.task_store.claim(worker.id, [LANE], 1)
        self.task = self.claimed.task
        self.position = Position(self.task.journal_length, len(self.task.changes))
        self.try_, self.text_place, self.pieces = 0, None, []
        await self.publish(change_record(self.task))

    async def say(self, text: str, kind: EventKind = EventKind.TEXT) -> None:
        if self.text_place is None:
            self.try_ += 1
            self.text_place = Place(self.position.journal, self.task.attempt, self.try_, 0)
            if (self.task.attempt, self.try_) != (1, 1):
                restart = Event(self.text_place.number, EventKind.RESTART, {})
                await self.publish(EventRecord(self.task.id, self.position, self.position, (restart,)))
        self.text_place = self.text_place._replace(place=self.text_place.place + len(text))
        if self.pieces and self.pieces[-1][0] == kind:
            self.pieces[-1][1] += text
        else:
            self.pieces.append([kind, text])
        event = Event(self.text_place.number, kind, {"text": text})
        await self.publish(EventRecord(self.task.id, self.position, self.position, (event,)))

    def break_try(self) -> None:
        """The provider's stream broke; what follows is another try."""
        self.text_place, self.pieces = None, []

    async def reply(self, *tools: str) -> None:
        """The model's reply is complete and committed."""
        self.step += 1
        calls = [{"call_id": f"c{self.step}{i}", "tool": tool, "arguments": {}} for i, tool in enumerate(tools)]
        detail: dict[str, Any] = {
            "step": self.step,
            "model": "m",
            "pieces": self.pieces,
            "tool_calls": calls,
            "usage": {"input_tokens": 3, "output_tokens": 5},
            "cost": 12,
            "seconds": 0.5,
        }
        if self.text_place is not None:
            detail["text_at"] = self.text_place[:3]
        await self.append(f"m{self.step}", EntryKind.MODEL, detail)
        self.break_try()
        self.try_ = 0

    async def begin(self, tool: str, number: int = 0) -> None:
        call_id = f"c{self.step}{number}"
        await self.append(f"s{self.step}:{call_id}", EntryKind.STARTED, {"step": self.step, "call_id": call_id})

    async def result(self, tool: str, number: int = 0) -> None:
        call_id = f"c{self.step}{number}"
        detail = {"step": self.step, "call_id": call_id, "tool": tool, "outcome": "done", "result": 7, "seconds": 0.1}
        await self.append(f"t{self.step}:{call_id}", EntryKind.TOOL, detail)

    async def append(self, key: str, kind: EntryKind, detail: dict[str, Any], payload: bytes = b"") -> None:
        assert self.claimed is not None
        write = EntryWrite(self.claimed.fence, key, kind, payload, orjson.dumps(detail))
        (appended,) = await self.world.journal.append([write])
        assert isinstance(appended, Appended)
        entry = (await self.world.journal.read(DEVELOPER, self.task.id, appended.sequence))[0]
        before, self.position = self.position, Position(appended.sequence + 1, self.position.changes)
        if events := entry_events(entry):
            await self.publish(EventRecord(self.task.id, before, self.position, events, text_end_of(entry)))

    async def settle(self, status: TaskStatus, reason: str | None = None, output: object = "fine") -> None:
        assert self.claimed is not None
        usage = Usage(cost=1200, input_tokens=3, output_tokens=5, model_calls=1, steps=self.step)
        error = None if status is TaskStatus.SUCCEEDED else b'{"code":"x","message":"y"}'
        settlement = Settlement(
            self.claimed.fence, self.task.session_id, status, reason, orjson.dumps(output), error, usage
        )
        (settled,) = await self.world.task_store.settle([settlement])
        assert isinstance(settled, Settled)
        self.task = settled.task
        await self.publish(change_record(settled.task))

    async def durable_events(self) -> list[Event]:
        """Everything that a client must be shown once, as the store has it."""
        task = await self.world.task_store.find(DEVELOPER, self.task.id)
        entries = await self.world.journal.read(DEVELOPER, self.task.id)
        events = rebuilt_events(task.changes, entries, 0, result_of(task))
        return [event for event in events if event.kind not in PASSING]

    async def texts(self) -> dict[int, list[list[str]]]:
        """Number of each step's event → the text that belongs to it."""
        entries = await self.world.journal.read(DEVELOPER, self.task.id)
        return {
            Place(entry.sequence + 1, 0, 0, 0).number: entry.detail["pieces"]
            for entry in entries
            if entry.kind is EntryKind.MODEL
        }


PASSING = frozenset({EventKind.TEXT, EventKind.THINKING, EventKind.RESTART})


class Client:
    """A client that keeps what it is told, through any number of connections."""

    def __init__(self, life: Life, after: int = 0) -> None:
        self.life = life
        self.last = after
        self.durable: list[Event] = []
        self.kinds: list[EventKind] = []
        self.shown: list[list[str]] = []
        """Text of the step under way, as the user sees it."""
        self.texts: dict[int, list[list[str]]] = {}
        self.ended = False
        self.heartbeats = 0
        self._reading: asyncio.Task[None] | None = None

    def connect(self, follow: FollowTask) -> None:
        self._reading = asyncio.create_task(self._read(follow(DEVELOPER, self.life.task.id, self.last)))

    async def disconnect(self) -> None:
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def end(self) -> None:
        """Wait until the stream is over."""
        assert self._reading is not None
        await self._reading

    async def _read(self, stream: AsyncGenerator[list[Event], None]) -> None:
        try:
            async for events in stream:
                self.heartbeats += not events
                for event in events:
                    self.hear(event)
            self.ended = True
        finally:
            await stream.aclose()

    def hear(self, event: Event) -> None:
        assert event.number > self.last, (Place.of(self.last), Place.of(event.number), event)
        self.last = event.number
        self.kinds.append(event.kind)
        if event.kind not in PASSING:
            self.durable.append(event)
        if event.kind is EventKind.RESTART:
            self.shown = []
        elif event.kind in (EventKind.TEXT, EventKind.THINKING):
            if self.shown and self.shown[-1][0] == event.kind:
                self.shown[-1][1] += event.data["text"]
            else:
                self.shown.append([event.kind, event.data["text"]])
        elif event.kind is EventKind.STEP:
            self.texts[event.number] = self.shown
            self.shown = []
