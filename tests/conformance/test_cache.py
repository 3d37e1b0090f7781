from collections.abc import AsyncIterator

import pytest

from integration.redis.redis_broker import Broker as BrokerProcess
from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.cache import MemoryCache
from roadworthy.adapters.redis import RedisServer
from roadworthy.adapters.redis.cache import RedisCache
from roadworthy.testing.conformance.cache import CacheContract, Caches

from .implementations import RealClock


@pytest.fixture
async def caches(broker_process: BrokerProcess | None) -> AsyncIterator[Caches]:
    if broker_process is None:
        broker = MemoryBroker(RealClock())
        yield Caches(MemoryCache(broker), MemoryCache(broker))
        return
    broker_process.admin.flushall()
    here, there = (RedisCache(RedisServer(broker_process.url)) for _ in range(2))
    yield Caches(here, there)
    for key in broker_process.admin.keys("*"):
        assert broker_process.admin.pttl(key) > 0, f"{key} stays for ever"
    await here.close()
    await there.close()


class TestCache(CacheContract):
    pass
