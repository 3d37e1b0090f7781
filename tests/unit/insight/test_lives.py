"""A resumed task has several lives: each ends with `done`, and a client that comes back sees the next."""

from __future__ import annotations

import asyncio

import pytest
from task_life import Client, Life, World

from roadworthy.adapters.memory.dead_letters import MemoryDeadLetters
from roadworthy.core.insight.change_record import change_record
from roadworthy.core.insight.tasks import Tasks
from roadworthy.domain.event import EventKind
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import TaskStatus
from roadworthy.ports.dead_letters import Resume, Resumed


@pytest.fixture
async def world():
    world = World()
    yield world
    await world.settle()
    assert world.followers.open_readers == 0


async def test_after_done_a_resumed_task_goes_on_with_status(world: World):
    life = await dead_after_a_step(world)
    first = Client(life)
    first.connect(world.follow)
    await first.end()
    assert first.kinds[-1] is EventKind.DONE
    await resume(life)
    again = Client(life, first.last)
    again.connect(world.follow)
    await world.settle()
    assert [(event.kind, event.data["status"]) for event in again.durable] == [(EventKind.STATUS, "queued")]
    assert not again.ended
    await life.claim()
    await life.say("there")
    await life.reply()
    await life.settle(TaskStatus.SUCCEEDED)
    await again.end()
    assert [event.data["status"] for event in again.durable if "status" in event.data] == [
        "queued",
        "running",
        "succeeded",
    ]
    # What a life that is over had come to is told while it is the last one.
    told = [(event.number, event.kind) for event in first.durable + again.durable]
    assert told == [(event.number, event.kind) for event in await life.durable_events()]


async def test_a_reader_that_missed_the_end_of_a_life_is_told_it_and_reads_on(world: World):
    life = await world.life()
    await life.claim()
    client = Client(life)
    client.connect(world.follow)
    await world.settle()
    life.lose_next = True
    await life.settle(TaskStatus.DEAD, "it failed")
    await resume(life, lost=True)
    await world.clock.advance(4)
    assert [event.data["status"] for event in client.durable][-2:] == ["dead", "queued"]
    assert not client.ended
    await life.claim()
    await life.settle(TaskStatus.SUCCEEDED)
    await client.end()
    assert client.durable == await life.durable_events()


async def test_whoever_waits_for_the_end_of_a_resumed_task_waits_for_its_new_one(world: World):
    life = await dead_after_a_step(world)
    tasks = Tasks(world.task_store, world.journal, world.follow)
    ended = await tasks.wait_for_end(DEVELOPER, life.task.id, 60)
    assert ended is not None
    assert ended.status is TaskStatus.DEAD
    await resume(life)
    waiting = asyncio.create_task(tasks.wait_for_end(DEVELOPER, life.task.id, 60))
    await world.settle()
    assert not waiting.done()
    await life.claim()
    await life.settle(TaskStatus.SUCCEEDED)
    ended = await waiting
    assert ended is not None
    assert ended.status is TaskStatus.SUCCEEDED


async def dead_after_a_step(world: World) -> Life:
    life = await world.life()
    await life.claim()
    await life.say("hello")
    await life.reply()
    await life.settle(TaskStatus.DEAD, "it failed")
    return life


async def resume(life: Life, *, lost: bool = False) -> None:
    seen = life.task
    order = Resume(seen, seen.input, seen.limits, seen.version, from_start=False, reason="resumed", detail={})
    outcome = await MemoryDeadLetters(life.world.database).resume(DEVELOPER, order)
    assert isinstance(outcome, Resumed)
    life.task = outcome.task
    if not lost:
        await life.publish(change_record(outcome.task))
