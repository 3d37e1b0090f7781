"""What a reader shows, case by case; the lives around these cases are in the other tests."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from task_life import Client, Life, World

from roadworthy.core.insight.event_reader import EventReader, Missing
from roadworthy.core.insight.followers import Follower
from roadworthy.domain.event import Event, EventKind, EventRecord, Place, Position
from roadworthy.domain.ids import new_id
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import TaskStatus

K = EventKind
TASK = new_id()
HERE = Position(0, 0)


def piece(place: int, text: str, attempt: int = 1, try_: int = 1) -> EventRecord:
    event = Event(Place(0, attempt, try_, place).number, K.TEXT, {"text": text})
    return EventRecord(TASK, HERE, HERE, (event,))


def shown(reader: EventReader, *records: EventRecord) -> list[object]:
    events: list[object] = []
    for record in records:
        for event in reader.from_log(record)[0]:
            events.append(event.data.get("text", event.kind))
    return events


@pytest.fixture
async def life() -> Life:
    life = await World().life()
    await life.claim()
    return life


async def stored(life: Life, reader: EventReader) -> list[EventKind]:
    task = await life.world.task_store.find(DEVELOPER, life.task.id)
    entries = await life.world.journal.read(DEVELOPER, life.task.id, reader.next_sequence)
    return [event.kind for event in reader.from_store(task, entries)]


def test_pieces_that_overlap_are_cut():
    assert shown(EventReader(), piece(3, "abc"), piece(5, "bcde")) == ["abc", "de"]


def test_a_piece_after_a_gap_is_not_shown():
    reader = EventReader()
    assert reader.from_log(piece(9, "ghi")) == ([], Missing.TEXT)
    assert reader.from_log(piece(9, "ghi"), last_resort=True) == ([], Missing.NOTHING)
    assert reader.from_log(piece(12, "jkl")) == ([], Missing.NOTHING)
    assert shown(reader, piece(6, "abcdef"), piece(9, "ghi")) == ["abcdef", "ghi"]


def test_a_zombies_text_is_dropped():
    assert shown(EventReader(), piece(3, "old"), piece(3, "new", attempt=2), piece(6, "er!")) == [
        "old",
        K.RESTART,
        "new",
    ]


@pytest.mark.parametrize("place", [Place(0, 2, 0, 0), Place(0, 1, 63, 1)])
def test_a_client_that_may_show_text_of_an_attempt_before_is_told_restart(place: Place):
    assert shown(EventReader(place.number), piece(3, "new", attempt=2)) == [K.RESTART, "new"]


@pytest.mark.parametrize("place", [Place(0, 0, 63, 0), Place(0, 1, 0, 0), Place(0, 2, 1, 0)])
def test_a_client_that_shows_no_text_is_not_told_restart(place: Place):
    assert shown(EventReader(place.number), piece(3, "new", attempt=2)) == ["new"]


async def test_entries_newer_than_the_task_wait_for_it(life: Life):
    """Between reading the task and its journal the task may have gone on and come back."""
    before = await life.world.task_store.find(DEVELOPER, life.task.id)
    await life.settle(TaskStatus.QUEUED, "the worker went away")
    await life.claim()
    await life.reply()
    reader = EventReader()
    entries = await life.world.journal.read(DEVELOPER, life.task.id)
    assert [event.kind for event in reader.from_store(before, entries)] == [K.STATUS, K.STATUS]
    assert await stored(life, reader) == [K.STATUS, K.STATUS, K.STEP]


async def test_a_cursor_inside_an_entry_gets_the_rest_of_it(life: Life):
    await life.reply("first", "second")
    assert await stored(life, EventReader(Place(1, 0, 0, 1).number)) == [K.TOOL_CALL]


async def test_text_that_can_no_longer_be_completed_is_withdrawn(life: Life):
    await life.say("Let me thi")
    live, rebuilt = EventReader(), EventReader()
    for reader in (live, rebuilt):
        await stored(life, reader)
        for record in await life.world.event_log.read(life.task.id, reader.cursor):
            reader.from_log(record)
    life.break_try()
    await life.result("find_order")
    record = life.world.broker.records[life.task.id][-1]
    assert [event.kind for event in live.from_log(record)[0]] == [K.RESTART, K.TOOL_RESULT]
    assert await stored(life, rebuilt) == [K.RESTART, K.TOOL_RESULT]


async def test_a_store_that_answers_with_the_past_takes_nothing_back(life: Life):
    reader = EventReader()
    old = await life.world.task_store.find(DEVELOPER, life.task.id)
    await life.reply()
    await stored(life, reader)
    cursor, position = reader.cursor, reader.position
    assert reader.from_store(replace(old), []) == []
    assert (reader.cursor, reader.position) == (cursor, position)


def test_a_mailbox_that_overflows_is_emptied_and_says_so():
    follower = Follower(TASK)
    follower.deliver([piece(n + 1, "x") for n in range(1001)])
    assert follower.lost
    assert follower.take() == []


async def test_live_records_arrive_before_the_store_is_read(life: Life):
    """Else what is committed and published in between would be seen only at the next check."""
    world = life.world
    world.outages.calls.clear()
    client = Client(life)
    client.connect(world.follow)
    await world.settle()
    calls = world.outages.calls
    assert calls.index("event_log.subscribe") < calls.index("task_store.find")
    world.outages.calls.clear()
    stuck = _StuckLog(world)
    world.follow.event_log = stuck
    late = Client(life)
    late.connect(world.follow)
    await world.settle()
    assert "task_store.find" not in world.outages.calls
    stuck.go()
    await world.settle()
    assert late.kinds == [K.STATUS, K.STATUS]
    for each in (client, late):
        await each.disconnect()


class _StuckLog:
    """A broker that takes its time to subscribe."""

    def __init__(self, world: World) -> None:
        self._log = world.event_log
        self._open = asyncio.Event()
        self.read = world.event_log.read

    def go(self) -> None:
        self._open.set()

    def subscribe(self, task_id):
        @asynccontextmanager
        async def late():
            await self._open.wait()
            async with self._log.subscribe(task_id) as subscription:
                yield subscription

        return late()
