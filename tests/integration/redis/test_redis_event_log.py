import asyncio
from contextlib import AsyncExitStack

import pytest
from redis_broker import Broker, until
from redis_records import done_record, numbers, step_record, text_record

from roadworthy.adapters.redis import RedisEventLog, RedisServer
from roadworthy.adapters.redis.event_log import ENDED_MILLISECONDS, LIVE_MILLISECONDS, PAGE_RECORDS
from roadworthy.domain.errors import BrokerUnavailable
from roadworthy.domain.ids import TaskId, new_id


def stream(task_id: TaskId) -> str:
    return f"roadworthy:events:{task_id}"


async def test_a_published_record_is_read_and_received_as_it_was(events: RedisEventLog) -> None:
    task = new_id()
    records = [text_record(task, 7, "naïve \ud83d"), step_record(task, 9), done_record(task, 10)]
    async with events.subscribe(task) as subscription:
        await events.publish(records)
        assert await subscription.next(5) == records
        assert await subscription.next(0.01) == []
    assert await events.read(task, 0) == records
    assert await events.read(task, 7) == records[1:]
    assert await events.read(task, 10) == []


async def test_numbers_that_do_not_rise_are_neither_kept_nor_published(events: RedisEventLog) -> None:
    task, other = new_id(), new_id()
    async with events.subscribe(task) as subscription:
        await events.publish([text_record(task, 100)])
        await events.publish([text_record(task, 100, "again"), text_record(task, 99), text_record(other, 1)])
        await events.publish([text_record(task, 101)])
        await until(lambda: subscription.pending >= 2)
        assert numbers(await subscription.next(5)) == [100, 101]
    assert numbers(await events.read(task, 0)) == [100, 101]
    assert numbers(await events.read(other, 0)) == [1]


async def test_a_record_that_cannot_be_kept_does_not_cost_its_neighbours(events: RedisEventLog, broker: Broker) -> None:
    bad, good = new_id(), new_id()
    broker.admin.set(stream(bad), "not a stream", ex=60)
    with pytest.raises(BrokerUnavailable, match="WRONGTYPE"):
        await events.publish([text_record(bad, 1), text_record(good, 1)])
    assert numbers(await events.read(good, 0)) == [1]


async def test_many_records_of_many_tasks(events: RedisEventLog) -> None:
    tasks = [new_id() for _ in range(3)]
    last = PAGE_RECORDS * 2
    await events.publish([text_record(task, number) for number in range(1, last + 1) for task in tasks])
    for task in tasks:
        assert numbers(await events.read(task, 5)) == list(range(6, last + 1))


async def test_how_long_streams_live(events: RedisEventLog, broker: Broker) -> None:
    task = new_id()

    def milliseconds_left() -> int:
        return broker.admin.pttl(stream(task))

    await events.publish([text_record(task, 1)])
    assert ENDED_MILLISECONDS < milliseconds_left() <= LIVE_MILLISECONDS
    broker.admin.pexpire(stream(task), 1_000)
    await events.publish([text_record(task, 2)])
    assert milliseconds_left() <= 1_000
    await events.publish([step_record(task, 3)])
    assert milliseconds_left() > ENDED_MILLISECONDS
    await events.publish([done_record(task, 4)])
    assert 0 < milliseconds_left() <= ENDED_MILLISECONDS
    await events.publish([step_record(task, 5)])
    assert milliseconds_left() > ENDED_MILLISECONDS


async def test_the_largest_number_fits(events: RedisEventLog) -> None:
    task = new_id()
    await events.publish([text_record(task, 2**53 - 1)])
    assert numbers(await events.read(task, 2**53 - 2)) == [2**53 - 1]


async def test_after_a_flush_numbers_may_start_anywhere(events: RedisEventLog, broker: Broker) -> None:
    task = new_id()
    async with events.subscribe(task) as subscription:
        await events.publish([text_record(task, 100)])
        broker.admin.flushall()
        broker.admin.script_flush()
        await events.publish([text_record(task, 50)])
        await until(lambda: subscription.pending >= 2)
        assert numbers(await subscription.next(5)) == [100, 50]
    assert numbers(await events.read(task, 0)) == [50]


async def test_everybody_who_watches_a_task_gets_its_records(events: RedisEventLog, broker: Broker) -> None:
    tasks = [new_id() for _ in range(100)]
    async with AsyncExitStack() as stack:
        watching = [(task, stack.enter_async_context(events.subscribe(task))) for task in tasks * 2]
        subscriptions = await asyncio.gather(*(entered for _, entered in watching))
        await until(broker.connected_clients)
        await until(lambda: len(broker.admin.pubsub_channels()) == 100)
        await events.publish([text_record(task, 1 + index) for index, task in enumerate(tasks)])
        for (task, _), subscription in zip(watching, subscriptions, strict=True):
            assert await subscription.next(5) == [text_record(task, 1 + tasks.index(task))]
    await until(lambda: not broker.admin.pubsub_channels())


async def test_a_channel_is_left_when_its_last_reader_leaves(events: RedisEventLog, broker: Broker) -> None:
    task = new_id()
    async with events.subscribe(task) as first:
        async with events.subscribe(task):
            pass
        async with events.subscribe(new_id()):  # its reply comes after that of anything sent before it
            assert stream(task).encode() in broker.admin.pubsub_channels()
        await events.publish([text_record(task, 1)])
        assert numbers(await first.next(5)) == [1]
    await until(lambda: not broker.admin.pubsub_channels())


async def test_leaving_and_coming_back_at_once_misses_nothing(events: RedisEventLog) -> None:
    task = new_id()
    for number in range(1, 200):
        async with events.subscribe(task) as subscription:
            await events.publish([text_record(task, number)])
            assert numbers(await subscription.next(5)) == [number]


async def test_one_who_gives_up_entering_does_not_hurt_the_others(events: RedisEventLog, broker: Broker) -> None:
    task = new_id()

    async def watch() -> list[int]:
        async with events.subscribe(task) as subscription:
            return numbers(await subscription.next(10))

    async with events.subscribe(new_id()):
        impatient, patient = asyncio.create_task(watch()), asyncio.create_task(watch())
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.wait([impatient])
        await until(lambda: len(broker.admin.pubsub_channels()) == 2)
        await events.publish([text_record(task, 1)])
        assert await patient == [1]


async def test_a_slow_reader_is_told_that_it_lost_something(checked: RedisServer) -> None:
    task = new_id()
    events = RedisEventLog(checked, mailbox_bytes=10_000)
    async with events.subscribe(task) as slow, events.subscribe(task) as fast:
        received: list[int] = []
        for number in range(1, 101):
            await events.publish([text_record(task, number)])
            received += numbers(await fast.next(5))
        assert received == list(range(1, 101))
        assert await slow.next(5) == []
        later = numbers(await slow.next(5))
        assert later == list(range(later[0], 101))
        assert later[0] > 1
        await events.publish([text_record(task, 101, "x" * 20_000)])
        assert numbers(await slow.next(5)) == [101]
    await events.close()


async def test_what_cannot_be_understood_counts_as_lost(events: RedisEventLog, broker: Broker) -> None:
    task = new_id()
    async with events.subscribe(task) as subscription:
        broker.admin.publish(stream(task), b"[from a later release]")
        assert await subscription.next(5) == []
        await events.publish([text_record(task, 1)])
        assert numbers(await subscription.next(5)) == [1]
    broker.admin.xadd(stream(task), {"r": b"?"}, id="2-0")
    await events.publish([text_record(task, 3)])
    assert numbers(await events.read(task, 0)) == [1, 3]


async def test_close_ends_everything(checked: RedisServer, broker: Broker) -> None:
    events = RedisEventLog(checked)
    async with events.subscribe(new_id()) as subscription:
        waiting = asyncio.create_task(subscription.next(20))
        await asyncio.sleep(0)
        await events.close()
        assert await waiting == []
    with pytest.raises(BrokerUnavailable, match="closed"):
        await events.publish([text_record(new_id(), 1)])
    with pytest.raises(BrokerUnavailable, match="closed"):
        await events.subscribe(new_id()).__aenter__()
