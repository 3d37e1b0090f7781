"""The cache over a real server that goes away, stands still and comes back."""

import asyncio
import time

import pytest
import uvloop
from redis_broker import Broker

from roadworthy.adapters.redis import RedisCache, RedisServer
from roadworthy.core.model_gateway.absence import PAUSE_SECONDS
from roadworthy.core.model_gateway.cache_in_time import LOOK_SECONDS, CacheInTime
from roadworthy.domain.errors import BrokerUnavailable

KEY, MARKS = b"key", ("agent:support", "tenant:acme")


async def kept(cache: RedisCache, value: bytes = b"value") -> bool:
    looked = await cache.get([KEY], MARKS)
    return await cache.put({KEY: value}, 60, looked.stamp)


async def test_values_of_a_mark_that_the_server_forgot_are_gone(broker: Broker):
    cache = RedisCache(RedisServer(broker.url))
    assert await kept(cache)
    assert broker.admin.delete("roadworthy:mark:agent:support") == 1
    assert (await cache.get([KEY], MARKS)).values == [None]
    assert await kept(cache, b"another")
    assert (await cache.get([KEY], MARKS)).values == [b"another"]
    await cache.close()


async def test_a_look_is_one_command_and_so_is_a_put(broker: Broker):
    cache = RedisCache(RedisServer(broker.url))
    await kept(cache)  # so that the server knows the script

    def commands() -> dict[str, int]:
        return {name: each["calls"] for name, each in broker.admin.info("commandstats").items()}

    before = commands()
    looked = await cache.get([KEY], MARKS)
    await cache.put({KEY: b"value"}, 60, looked.stamp)
    after = commands()
    assert after["cmdstat_mget"] - before["cmdstat_mget"] == 1
    assert after["cmdstat_evalsha"] - before["cmdstat_evalsha"] == 1
    await cache.close()


async def test_a_script_that_the_server_forgot_is_sent_again(broker: Broker):
    cache = RedisCache(RedisServer(broker.url))
    await kept(cache)
    broker.admin.script_flush()
    assert await kept(cache, b"another")
    await cache.close()


async def test_a_server_that_is_gone_is_away(mortal_broker: Broker):
    cache = RedisCache(RedisServer(mortal_broker.url))
    assert await kept(cache)
    mortal_broker.kill()
    for call in (cache.get([KEY]), cache.put({KEY: b"value"}, 60), cache.drop("all")):
        with pytest.raises(BrokerUnavailable):
            await call
    mortal_broker.start()
    assert await kept(cache)
    await cache.close()


async def test_nobody_waits_for_a_server_that_stands_still_and_it_is_used_again_when_it_goes_on(mortal_broker: Broker):
    real, now = RedisCache(RedisServer(mortal_broker.url)), [0.0]
    cache = CacheInTime(real, lambda: now[0])
    assert await kept(real)
    mortal_broker.freeze()
    began = time.monotonic()
    for _ in range(10):
        assert await cache.get([KEY], MARKS) is None
    assert time.monotonic() - began < LOOK_SECONDS + 0.5
    mortal_broker.thaw()
    async with asyncio.timeout(60):
        # The connection that stood still is given up first.
        while (looked := await cache.get([KEY], MARKS)) is None:
            now[0] += PAUSE_SECONDS
    assert looked.values == [b"value"]
    await cache.close()
    await real.close()


def test_an_answer_that_came_while_the_loop_was_busy_counts(broker: Broker):
    async def look() -> bool:
        real = RedisCache(RedisServer(broker.url))
        await real.get([KEY])  # connected
        cache = CacheInTime(real)
        looking = asyncio.ensure_future(cache.get([KEY]))
        for _ in range(3):
            await asyncio.sleep(0)
        time.sleep(LOOK_SECONDS * 1.5)
        looked = await looking
        await cache.close()
        await real.close()
        return looked is not None

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(look())
