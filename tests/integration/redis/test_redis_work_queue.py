import asyncio
import time

import pytest
from redis_broker import Broker, until

from roadworthy.adapters.redis import RedisServer, RedisWorkQueue
from roadworthy.adapters.redis.work_queue import KEPT_TICKETS
from roadworthy.domain.errors import BrokerUnavailable

LANES = [f"agent{number}@1" for number in range(50)]


async def waiting(broker: Broker, workers: int) -> None:
    await until(lambda: broker.connected_clients().count("blpop") == workers)


async def test_a_ticket_wakes_one_waiting_worker(queue: RedisWorkQueue, broker: Broker) -> None:
    workers = [asyncio.create_task(queue.wait(LANES, 20)) for _ in range(3)]
    await waiting(broker, 3)
    await queue.post([LANES[7]])
    woken, others = await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result() for task in woken] == [True]
    await waiting(broker, 2)
    await queue.post(LANES[:2])
    assert await asyncio.gather(*others) == [True, True]


async def test_waiting_takes_all_tickets_of_the_lanes_and_no_others(queue: RedisWorkQueue) -> None:
    await queue.post(LANES)
    await queue.post(LANES[:3])
    assert await queue.wait(LANES[:40], 5)
    assert not await queue.wait(LANES[:40], 0.01)
    assert await queue.wait(LANES[40:], 5)


async def test_waiting_ends_in_time_when_nothing_comes(queue: RedisWorkQueue) -> None:
    for seconds in (0, 0.2):
        started = time.monotonic()
        assert not await queue.wait(LANES, seconds)
        assert seconds <= time.monotonic() - started < seconds + 0.5


async def test_no_lanes_are_no_error(queue: RedisWorkQueue) -> None:
    await queue.post([])
    assert not await queue.wait([], 0.01)


async def test_tickets_that_nobody_takes_do_not_pile_up(queue: RedisWorkQueue, broker: Broker) -> None:
    for _ in range(KEPT_TICKETS + 10):
        await queue.post(LANES[:1])
    assert broker.admin.llen(f"roadworthy:tickets:{LANES[0]}") == KEPT_TICKETS


async def test_a_worker_that_stopped_waiting_gets_no_ticket(queue: RedisWorkQueue, broker: Broker) -> None:
    gone = asyncio.create_task(queue.wait(LANES, 20))
    await waiting(broker, 1)
    gone.cancel()
    await asyncio.wait([gone])
    await waiting(broker, 0)
    await queue.post(LANES[:1])
    assert await queue.wait(LANES, 5)


async def test_posting_is_not_held_up_by_waiting(queue: RedisWorkQueue, broker: Broker) -> None:
    waits = asyncio.create_task(queue.wait(["other@1"], 20))
    await waiting(broker, 1)
    async with asyncio.timeout(10):
        await queue.post(LANES)
    await queue.post(["other@1"])
    assert await waits


async def test_close_ends_those_who_wait(checked: RedisServer, broker: Broker) -> None:
    queue = RedisWorkQueue(checked)
    waits = asyncio.create_task(queue.wait(LANES, 20))
    await waiting(broker, 1)
    await queue.close()
    with pytest.raises(BrokerUnavailable):
        await waits
    for call in (queue.wait(LANES, 20), queue.post(LANES)):
        with pytest.raises(BrokerUnavailable, match="closed"):
            await call


async def test_a_killed_server_is_noticed_at_once_and_found_again(mortal_broker: Broker, no_tasks_left: None) -> None:
    queue = RedisWorkQueue(RedisServer(mortal_broker.url))
    await queue.post(LANES[:1])
    assert await queue.wait(LANES, 5)
    waits = asyncio.create_task(queue.wait(LANES, 20))
    await waiting(mortal_broker, 1)
    mortal_broker.kill()
    async with asyncio.timeout(10):
        with pytest.raises(BrokerUnavailable, match="closed the connection"):
            await waits
        for call in (queue.wait(LANES, 20), queue.post(LANES)):
            with pytest.raises(BrokerUnavailable, match="Connection refused"):
                await call
    mortal_broker.start()
    await queue.post(LANES)
    assert await queue.wait(LANES, 5)
    await queue.close()


async def test_a_frozen_server_holds_nobody_for_ever(mortal_broker: Broker, no_tasks_left: None) -> None:
    queue = RedisWorkQueue(RedisServer(mortal_broker.url))
    await queue.post(LANES[:1])
    assert await queue.wait(LANES, 5)
    mortal_broker.freeze()
    started = time.monotonic()
    results = await asyncio.gather(
        queue.wait(LANES, 0.5), *(queue.post(LANES) for _ in range(20)), return_exceptions=True
    )
    assert time.monotonic() - started < 4
    assert all(isinstance(result, BrokerUnavailable) for result in results)
    mortal_broker.thaw()
    await queue.post(LANES)
    assert await queue.wait(LANES, 5)
    await queue.close()
