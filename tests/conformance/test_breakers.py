from collections.abc import AsyncIterator

import pytest

from integration.redis.redis_broker import Broker as BrokerProcess
from roadworthy.adapters.memory.breakers import MemoryBreakers
from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.redis import RedisBreakers, RedisServer
from roadworthy.ports.breakers import Breakers
from roadworthy.testing.conformance.breakers import BreakersContract

from .implementations import RealClock


class TestBreakers(BreakersContract):
    @pytest.fixture
    async def connected_breakers(
        self, broker_process: BrokerProcess | None
    ) -> AsyncIterator[tuple[Breakers, Breakers]]:
        if broker_process is None:
            broker = MemoryBroker(RealClock())
            yield MemoryBreakers(broker), MemoryBreakers(broker)
            return
        broker_process.admin.flushall()
        here, there = (RedisBreakers(RedisServer(broker_process.url)) for _ in range(2))
        yield here, there
        await here.close()
        await there.close()
