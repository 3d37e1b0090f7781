import asyncio
import time
from collections.abc import Callable

import pytest

from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.duty_schedule import MemoryDutySchedule
from roadworthy.adapters.memory.event_log import MemoryCancelSignals, MemoryEventLog
from roadworthy.adapters.memory.journal import MemoryJournal
from roadworthy.adapters.memory.session_store import MemorySessionStore
from roadworthy.adapters.memory.task_store import MemoryTaskStore
from roadworthy.adapters.memory.task_upkeep import MemoryTaskUpkeep
from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.adapters.memory.worker_registry import MemoryWorkerRegistry
from roadworthy.testing.conformance.brokers import Broker
from roadworthy.testing.conformance.stores import Stores
from roadworthy.testing.manual_clock import ManualClock


class RealClock:
    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def memory_stores() -> Stores:
    clock = ManualClock(turns=2)
    database = MemoryDatabase(clock)
    return Stores(
        MemoryTaskStore(database),
        MemoryTaskUpkeep(database),
        MemoryDutySchedule(database),
        MemoryJournal(database),
        MemorySessionStore(database),
        MemoryWorkerRegistry(database),
        pass_time=clock.advance,
    )


def memory_connections() -> Callable[[], Broker]:
    broker = MemoryBroker(RealClock())
    return lambda: Broker(MemoryWorkQueue(broker), MemoryEventLog(broker), MemoryCancelSignals(broker))


@pytest.fixture(params=["memory"])
async def stores(request: pytest.FixtureRequest) -> Stores:
    return memory_stores()


@pytest.fixture(params=["memory"])
async def connections(request: pytest.FixtureRequest) -> Callable[[], Broker]:
    return memory_connections()


@pytest.fixture
async def broker(connections: Callable[[], Broker]) -> Broker:
    return connections()


@pytest.fixture
async def other_broker(connections: Callable[[], Broker]) -> Broker:
    return connections()
