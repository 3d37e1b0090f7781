import asyncio
import random
import socket
import time

import pytest
from redis_broker import Broker, until
from redis_records import numbers, text_record

from roadworthy.adapters.redis import RedisEventLog, RedisServer
from roadworthy.domain.errors import BrokerUnavailable
from roadworthy.domain.ids import new_id

pytestmark = pytest.mark.usefixtures("no_tasks_left")


async def test_subscribers_go_on_after_the_server_was_killed(mortal_broker: Broker) -> None:
    events, tasks = RedisEventLog(RedisServer(mortal_broker.url)), [new_id() for _ in range(20)]
    subscriptions = [events.subscribe(task) for task in tasks]
    entered = [await subscription.__aenter__() for subscription in subscriptions]
    await events.publish([text_record(tasks[0], 5)])
    await until(lambda: entered[0].pending == 1)
    mortal_broker.kill()
    with pytest.raises(BrokerUnavailable):
        await events.publish([text_record(tasks[0], 6)])
    assert numbers(await entered[0].next(0.01)) == [5]
    assert await entered[0].next(0.1) == []  # nothing came: the server is still away
    with pytest.raises(BrokerUnavailable, match="Connection refused"):
        await events.subscribe(new_id()).__aenter__()
    mortal_broker.start()
    started = time.monotonic()
    for subscription in entered:
        assert await subscription.next(10) == []
    assert time.monotonic() - started < 3
    await events.publish([text_record(task, 3) for task in tasks])
    for subscription in entered:
        assert numbers(await subscription.next(5)) == [3]
    for subscription in subscriptions:
        await subscription.__aexit__(None, None, None)
    await events.close()


async def test_who_enters_right_after_the_server_came_back_does_not_wait_for_the_next_attempt(
    mortal_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "random", lambda: 1.0)
    events = RedisEventLog(RedisServer(mortal_broker.url))
    mortal_broker.kill()
    for _ in range(8):  # until the pauses are long
        with pytest.raises(BrokerUnavailable):
            await events.subscribe(new_id()).__aenter__()
    mortal_broker.start()
    async with asyncio.timeout(0.5), events.subscribe(new_id()):
        pass
    await events.close()


async def test_entering_waits_for_the_servers_word(mortal_broker: Broker) -> None:
    events = RedisEventLog(RedisServer(mortal_broker.url))
    async with events.subscribe(new_id()):
        mortal_broker.freeze()
        subscription = events.subscribe(new_id())
        entering = asyncio.create_task(subscription.__aenter__())
        done, _ = await asyncio.wait([entering], timeout=0.2)
        assert not done
        mortal_broker.thaw()
        await entering
        await subscription.__aexit__(None, None, None)
    await events.close()


async def test_a_server_that_stops_answering_is_noticed(mortal_broker: Broker) -> None:
    events, task = RedisEventLog(RedisServer(mortal_broker.url)), new_id()
    async with events.subscribe(task) as subscription:
        mortal_broker.freeze()
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable, match="no answer in time"):
            await events.publish([text_record(task, 1)])
        with pytest.raises(BrokerUnavailable):
            await events.read(task, 0)
        assert time.monotonic() - started < 6
        # Nothing is sent on the subscriptions' connection that somebody waits for: only its silence can tell.
        assert await subscription.next(1) == []
        mortal_broker.thaw()
        async with asyncio.timeout(60):
            assert await subscription.next(10) == []
        await events.publish([text_record(task, 2)])
        assert numbers(await subscription.next(5))[-1] == 2
    await events.close()


async def test_a_dropped_connection_is_replaced_and_told_of(mortal_broker: Broker) -> None:
    events, task = RedisEventLog(RedisServer(mortal_broker.url)), new_id()
    async with events.subscribe(task) as subscription:
        await events.publish([text_record(task, 1)])
        assert numbers(await subscription.next(5)) == [1]
        for kind in ("pubsub", "normal"):
            mortal_broker.admin.client_kill_filter(_type=kind, skipme=True)
        assert await subscription.next(10) == []
        await until(lambda: bool(mortal_broker.admin.pubsub_channels()))
        await events.publish([text_record(task, 2)])
        assert numbers(await subscription.next(5)) == [2]
    await events.close()


@pytest.mark.parametrize(
    ("setting", "value", "answer"), [("maxmemory", "1", "OOM"), ("replicaof", "127.0.0.1 1", "READONLY")]
)
async def test_a_server_that_takes_no_writes_is_away(
    mortal_broker: Broker, setting: str, value: str, answer: str
) -> None:
    events, task = RedisEventLog(RedisServer(mortal_broker.url)), new_id()
    if setting == "replicaof":
        mortal_broker.admin.execute_command("REPLICAOF", *value.split())
    else:
        mortal_broker.admin.config_set(setting, value)
    with pytest.raises(BrokerUnavailable, match=answer):
        await events.publish([text_record(task, 1)])
    await events.close()


async def test_a_hundred_callers_wait_for_one_deadline(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A listener whose backlog is full answers nobody: the connection is made and then nothing comes."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        events = RedisEventLog(RedisServer(f"redis://127.0.0.1:{silent.getsockname()[1]}"))
        started = time.monotonic()
        calls = (events.publish([text_record(new_id(), 1)]) for _ in range(100))
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, BrokerUnavailable) for result in results)
        assert time.monotonic() - started < 4
        await events.close()
