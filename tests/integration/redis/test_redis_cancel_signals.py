import asyncio

import pytest
from redis_broker import Broker, until

from roadworthy.adapters.redis import RedisCancelSignals, RedisServer
from roadworthy.domain.ids import TaskId, new_id


def listening(broker: Broker) -> bool:
    return broker.admin.pubsub_numsub("roadworthy:cancel")[0][1] > 0


async def collect(signals: RedisCancelSignals, into: "asyncio.Queue[TaskId]") -> None:
    async for task_id in signals.listen():
        into.put_nowait(task_id)


async def test_every_listener_hears_of_the_task(checked: RedisServer, broker: Broker) -> None:
    api, workers = RedisCancelSignals(checked), [RedisCancelSignals(checked) for _ in range(2)]
    heard: list[asyncio.Queue[TaskId]] = [asyncio.Queue() for _ in workers]
    listeners = [asyncio.create_task(collect(*pair)) for pair in zip(workers, heard, strict=True)]
    await until(lambda: broker.admin.pubsub_numsub("roadworthy:cancel")[0][1] == 2)
    tasks = [new_id(), new_id()]
    for task in tasks:
        await api.send(task)
    for queue in heard:
        assert [await asyncio.wait_for(queue.get(), 5) for _ in tasks] == tasks
    for signals in (api, *workers):
        await signals.close()
    async with asyncio.timeout(10):
        await asyncio.gather(*listeners)


@pytest.mark.parametrize("started_before", [True, False])
async def test_listening_survives_an_outage(mortal_broker: Broker, no_tasks_left: None, started_before: bool) -> None:
    signals = RedisCancelSignals(RedisServer(mortal_broker.url))
    if not started_before:
        mortal_broker.kill()
    heard: asyncio.Queue[TaskId] = asyncio.Queue()
    listener = asyncio.create_task(collect(signals, heard))
    if started_before:
        await until(lambda: listening(mortal_broker))
        mortal_broker.kill()
    mortal_broker.start()
    await until(lambda: listening(mortal_broker))
    task = new_id()
    await signals.send(task)
    assert await asyncio.wait_for(heard.get(), 5) == task
    await signals.close()
    async with asyncio.timeout(10):
        await listener


async def test_a_signal_that_is_no_id_is_passed_over(cancels: RedisCancelSignals, broker: Broker) -> None:
    heard: asyncio.Queue[TaskId] = asyncio.Queue()
    listener = asyncio.create_task(collect(cancels, heard))
    await until(lambda: listening(broker))
    broker.admin.publish("roadworthy:cancel", b"what?")
    task = new_id()
    await cancels.send(task)
    assert await asyncio.wait_for(heard.get(), 5) == task
    await cancels.close()
    await listener
