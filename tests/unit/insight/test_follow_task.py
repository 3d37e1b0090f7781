import asyncio
import json

import pytest
from task_life import Client, World

from roadworthy.domain.errors import IllegalCursor, NotFound, StoreUnavailable
from roadworthy.domain.event import MAX_NUMBER, EventKind, Place
from roadworthy.domain.ids import new_id
from roadworthy.domain.principal import DEVELOPER, Principal
from roadworthy.domain.task import TaskStatus

K = EventKind


@pytest.fixture
async def world():
    world = World()
    yield world
    await world.settle()
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert not left, left
    assert world.followers.open_readers == 0
    assert not world.broker.subscribers


async def whole_life(world: World):
    life = await world.life()
    await life.claim()
    for text in ("Let me ", "look."):
        await life.say(text)
    await life.reply("find_order")
    await life.begin("find_order")
    await life.result("find_order")
    await life.say("hm", K.THINKING)
    await life.say("It is on its way.")
    await life.reply()
    await life.settle(TaskStatus.SUCCEEDED)
    return life


ALL_KINDS = [K.STATUS, K.STATUS, K.TEXT, K.STEP, K.TOOL_CALL, K.TOOL_RESULT, K.THINKING, K.TEXT, K.STEP, K.DONE]


async def assert_saw_everything(client: Client) -> None:
    assert client.ended
    assert client.durable == await client.life.durable_events()
    assert client.texts == await client.life.texts()


async def test_a_finished_task_is_told_from_the_store(world: World):
    life = await whole_life(world)
    world.broker.flush()
    client = Client(life)
    client.connect(world.follow)
    await client.end()
    assert client.kinds == ALL_KINDS
    await assert_saw_everything(client)


async def test_done_carries_the_result(world: World):
    life = await whole_life(world)
    client = Client(life)
    client.connect(world.follow)
    await client.end()
    assert client.durable[-1].data == {
        "status": "succeeded",
        "output": "fine",
        "usage": {
            "cost_usd": "0.0012",
            "input_tokens": 3,
            "output_tokens": 5,
            "cache_read_tokens": 0,
            "cache_write_tokens": 0,
            "saved_usd": "0",
            "model_calls": 1,
            "cached_calls": 0,
            "tool_calls": 0,
            "steps": 2,
        },
    }


async def test_a_live_client_sees_the_same_and_asks_the_store_once(world: World):
    life = await world.life()
    client = Client(life)
    client.connect(world.follow)
    await world.settle()
    world.outages.calls.clear()
    await life.claim()
    await world.settle()
    for text in ("Let me ", "look."):
        await life.say(text)
        await world.settle()
    await life.reply("find_order")
    await world.settle()
    await life.settle(TaskStatus.SUCCEEDED)
    await client.end()
    assert client.kinds == [K.STATUS, K.STATUS, K.TEXT, K.TEXT, K.STEP, K.TOOL_CALL, K.DONE]
    assert "task_store.find" not in world.outages.calls
    await assert_saw_everything(client)


async def test_a_client_that_comes_in_the_middle_gets_the_text_so_far(world: World):
    life = await world.life()
    await life.claim()
    await life.say("Half of ")
    client = Client(life)
    client.connect(world.follow)
    await world.settle()
    assert client.shown == [[K.TEXT, "Half of "]]
    await life.say("it.")
    await life.reply()
    await life.settle(TaskStatus.SUCCEEDED)
    await client.end()
    await assert_saw_everything(client)
    assert K.RESTART not in client.kinds


async def test_a_cursor_in_the_middle_of_the_text_gets_the_rest(world: World):
    life = await whole_life(world)
    client = Client(life, after=Place(0, 1, 1, len("Let me lo")).number)
    client.connect(world.follow)
    await client.end()
    assert client.kinds[0] is K.TEXT
    assert next(iter(client.texts.values())) == [[K.TEXT, "ok."]]


async def test_a_second_try_says_restart_first(world: World):
    life = await world.life()
    client = Client(life)
    client.connect(world.follow)
    await life.claim()
    await life.say("Wro")
    await world.settle()
    life.break_try()
    life.lose_next = True
    await life.say("Right.")
    await world.settle()
    assert client.shown == [[K.TEXT, "Right."]]
    await life.reply()
    await life.settle(TaskStatus.SUCCEEDED)
    await client.end()
    await assert_saw_everything(client)
    assert client.kinds.count(K.RESTART) == 1


async def test_a_second_try_says_nothing_of_restart_to_those_who_saw_no_first_one(world: World):
    life = await world.life()
    await life.claim()
    await life.settle(TaskStatus.QUEUED, "the worker went away")
    client = Client(life)
    client.connect(world.follow)
    await life.claim()
    await life.say("Right.")
    await life.reply()
    await life.settle(TaskStatus.SUCCEEDED)
    await client.end()
    await assert_saw_everything(client)
    assert K.RESTART not in client.kinds


async def test_text_of_a_broken_try_is_withdrawn_when_the_reply_has_none(world: World):
    life = await world.life()
    client, late = Client(life), Client(life)
    client.connect(world.follow)
    late.connect(world.follow)
    await life.claim()
    await life.say("Let me thi")
    await world.settle()
    await late.disconnect()
    life.break_try()
    await life.reply("find_order")
    await life.settle(TaskStatus.SUCCEEDED)
    await client.end()
    world.broker.flush()
    late.connect(world.api_server())
    await late.end()
    for each in (client, late):
        assert each.kinds.count(K.RESTART) == 1
        await assert_saw_everything(each)


async def test_lost_text_is_taken_from_the_live_log_and_then_from_the_journal(world: World):
    life = await world.life()
    client = Client(life)
    client.connect(world.follow)
    await life.claim()
    await life.say("One ")
    await world.settle()
    life.lose_next = True
    await life.say("two ")
    await life.say("three ")
    await world.settle()
    assert client.shown == [[K.TEXT, "One "]]
    world.outages.calls.clear()
    await life.say("four.")
    await world.settle()
    assert "event_log.read" not in world.outages.calls
    await life.reply()
    await life.settle(TaskStatus.SUCCEEDED)
    await client.end()
    await assert_saw_everything(client)
    assert K.RESTART not in client.kinds


async def test_the_end_is_seen_without_the_broker(world: World):
    world.outages.broker_away = True
    life = await world.life()
    client = Client(life)
    client.connect(world.follow)
    await world.settle()
    await life.claim()
    await life.reply()
    await world.clock.advance(3)
    assert client.kinds == [K.STATUS, K.STATUS, K.STEP]
    await life.settle(TaskStatus.SUCCEEDED)
    await world.clock.advance(3)
    await client.end()
    await assert_saw_everything(client)


async def test_live_events_come_back_with_the_broker(world: World):
    life = await world.life()
    world.outages.broker_away = True
    client = Client(life)
    client.connect(world.follow)
    await world.settle()
    world.outages.broker_away = False
    await life.claim()
    await life.say("Text that was said before the reader was back.")
    await world.clock.advance(2)
    assert client.shown == [[K.TEXT, "Text that was said before the reader was back."]]
    await life.reply()
    await life.settle(TaskStatus.SUCCEEDED)
    await client.end()
    await assert_saw_everything(client)


async def test_a_stream_outlives_an_outage_of_the_store(world: World):
    life = await world.life()
    client = Client(life)
    client.connect(world.follow)
    await world.settle()
    life.lose_next = True
    await life.claim()
    await life.say("I am sure.")
    world.outages.store_away = True
    await world.clock.advance(10)
    assert client.kinds == [K.STATUS]
    world.outages.store_away = False
    await world.clock.advance(3)
    assert client.kinds == [K.STATUS, K.STATUS]
    await life.reply()
    await life.settle(TaskStatus.SUCCEEDED)
    await client.end()
    await assert_saw_everything(client)


async def test_one_query_covers_all_readers(world: World):
    lives = [await world.life() for _ in range(20)]
    clients = [Client(life) for life in lives for _ in range(2)]
    for client in clients:
        client.connect(world.follow)
    await world.settle()
    world.outages.calls.clear()
    await world.clock.advance(3.1)
    assert world.outages.calls.count("task_store.positions") == 1
    assert "task_store.find" not in world.outages.calls
    assert await world.followers.check() == 0
    for client in clients:
        await client.disconnect()


async def test_a_heartbeat_is_an_empty_list(world: World):
    life = await world.life()
    follow = world.follow
    follow.heartbeat_seconds = 0.01
    stream = follow(DEVELOPER, life.task.id)
    assert [event.kind for event in await anext(stream)] == [K.STATUS]
    assert await anext(stream) == []
    assert await anext(stream) == []
    await stream.aclose()


async def test_a_reader_that_takes_nothing_does_not_hoard_and_still_misses_nothing(world: World):
    life = await world.life()
    client = Client(life)
    stream = world.follow(DEVELOPER, life.task.id)
    for event in await anext(stream):
        client.hear(event)
    await life.claim()
    for _ in range(1200):
        await life.say("word ")
    await world.settle()
    await life.reply()
    await life.settle(TaskStatus.SUCCEEDED)
    await world.settle()
    async for events in stream:
        for event in events:
            client.hear(event)
    client.ended = True
    await assert_saw_everything(client)


async def test_a_resumed_task_is_told_to_the_end_of_its_present_life(world: World):
    life = await world.life()
    await life.claim()
    await life.settle(TaskStatus.DEAD, "it failed")
    dead = Client(life)
    dead.connect(world.follow)
    await dead.end()
    assert dead.kinds == [K.STATUS, K.STATUS, K.DONE]
    world.database.change(world.database.tasks[life.task.id], TaskStatus.QUEUED, "resumed")
    client = Client(life)
    client.connect(world.follow)
    await world.settle()
    assert client.kinds == [K.STATUS, K.STATUS, K.DONE, K.STATUS]
    await life.claim()
    await life.settle(TaskStatus.SUCCEEDED)
    await client.end()
    dead.connect(world.follow)
    await dead.end()
    for each in (client, dead):
        assert each.kinds == [K.STATUS, K.STATUS, K.DONE, K.STATUS, K.STATUS, K.DONE]


async def test_nothing_is_left_to_say_after_done(world: World):
    life = await whole_life(world)
    client = Client(life, after=life.task.changes[-1].number)
    client.connect(world.follow)
    await client.end()
    assert client.kinds == []


async def test_a_deleted_task_ends_the_stream(world: World):
    life = await world.life()
    client = Client(life)
    client.connect(world.follow)
    await world.settle()
    world.database.delete_session(life.task.session_id)
    await world.clock.advance(3)
    await client.end()
    assert client.kinds == [K.STATUS]


@pytest.mark.parametrize("after", [-1, MAX_NUMBER + 1, Place(4, 0, 0, 0).number, Place(0, 3, 1, 1).number])
async def test_a_cursor_that_was_never_given_out(world: World, after: int):
    life = await world.life()
    with pytest.raises(IllegalCursor):
        await anext(world.follow(DEVELOPER, life.task.id, after))


async def test_somebody_elses_task_is_not_there(world: World):
    life = await world.life()
    for principal, task_id in ((Principal("dev", "eve"), life.task.id), (DEVELOPER, new_id())):
        with pytest.raises(NotFound):
            await anext(world.follow(principal, task_id))


async def test_the_store_is_away_at_the_beginning(world: World):
    life = await world.life()
    world.outages.store_away = True
    with pytest.raises(StoreUnavailable):
        await anext(world.follow(DEVELOPER, life.task.id))


async def test_events_are_json(world: World):
    life = await whole_life(world)
    async for events in world.follow(DEVELOPER, life.task.id):
        for event in events:
            assert json.loads(json.dumps(event.data)) == event.data
