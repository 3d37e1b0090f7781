import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis_broker import REDIS_7, Broker, until, valkey_program

from roadworthy.adapters.redis import RedisCancelSignals, RedisEventLog, RedisServer, RedisWorkQueue


@pytest.fixture(scope="session", params=["valkey", "redis7"])
def program(request: pytest.FixtureRequest) -> Path:
    if request.param == "valkey":
        return valkey_program()
    if not REDIS_7.exists():
        pytest.skip(f"{REDIS_7} is not installed (Debian: apt install redis-server)")
    return REDIS_7


@pytest.fixture(scope="session")
def shared_broker(program: Path) -> Iterator[Broker]:
    broker = Broker(program)
    broker.start()
    yield broker
    broker.remove()


@pytest.fixture
def broker(shared_broker: Broker) -> Broker:
    """A running, empty server; for tests that don't harm it."""
    shared_broker.admin.flushall()
    shared_broker.admin.script_flush()
    return shared_broker


@pytest.fixture
def mortal_broker(program: Path) -> Iterator[Broker]:
    """A running server for this test alone."""
    broker = Broker(program)
    broker.start()
    yield broker
    broker.remove()


@pytest.fixture
async def no_tasks_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() - before == {asyncio.current_task()}


@pytest.fixture
async def checked(broker: Broker, no_tasks_left: None) -> AsyncIterator[RedisServer]:
    """The server's address; afterwards no connection is left, and no key that isn't ours or stays for ever."""
    yield RedisServer(broker.url)
    for key in broker.admin.keys("*"):
        assert key.startswith(b"roadworthy:")
        assert broker.admin.pttl(key) > 0, f"{key} stays for ever"
    await until(lambda: not broker.connected_clients())


@pytest.fixture
async def events(checked: RedisServer) -> AsyncIterator[RedisEventLog]:
    log = RedisEventLog(checked)
    yield log
    await log.close()


@pytest.fixture
async def queue(checked: RedisServer) -> AsyncIterator[RedisWorkQueue]:
    queue = RedisWorkQueue(checked)
    yield queue
    await queue.close()


@pytest.fixture
async def cancels(checked: RedisServer) -> AsyncIterator[RedisCancelSignals]:
    signals = RedisCancelSignals(checked)
    yield signals
    await signals.close()
