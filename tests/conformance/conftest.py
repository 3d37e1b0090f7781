import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from integration.postgres.servers import DEBIAN_15, debian_15, embedded_18
from integration.redis.redis_broker import REDIS_7, valkey_program
from integration.redis.redis_broker import Broker as BrokerProcess
from roadworthy.adapters.postgres import migrate
from roadworthy.testing.conformance.brokers import Broker
from roadworthy.testing.conformance.stores import Stores

from .implementations import memory_brokers, memory_stores, postgres_stores, redis_brokers


@pytest.fixture(scope="session", params=["memory", "postgres 18", "postgres 15"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    """A migrated database, or None for the one in memory."""
    if request.param == "memory":
        yield None
        return
    if request.param == "postgres 15" and not (DEBIAN_15 / "postgres").exists():
        pytest.skip(f"no PostgreSQL 15 in {DEBIAN_15}: install Debian's postgresql-15")
    data = tmp_path_factory.mktemp("postgres") / "data"
    with debian_15() if request.param == "postgres 15" else embedded_18(data) as url:
        asyncio.run(migrate(url))
        yield url


@pytest.fixture
async def stores(database_url: str | None) -> AsyncIterator[Stores]:
    if database_url is None:
        yield memory_stores()
        return
    async with postgres_stores(database_url) as stores:
        yield stores


@pytest.fixture(scope="session", params=["memory", "valkey", "redis 7"])
def broker_process(request: pytest.FixtureRequest) -> Iterator[BrokerProcess | None]:
    """A running server, or None for the one in memory."""
    if request.param == "memory":
        yield None
        return
    if request.param == "redis 7" and not REDIS_7.exists():
        pytest.skip(f"{REDIS_7} is not installed (Debian: apt install redis-server)")
    process = BrokerProcess(REDIS_7 if request.param == "redis 7" else valkey_program())
    process.start()
    yield process
    process.remove()


@pytest.fixture
async def connected_brokers(broker_process: BrokerProcess | None) -> AsyncIterator[tuple[Broker, Broker]]:
    """Two connections to one empty broker."""
    if broker_process is None:
        yield memory_brokers()
        return
    broker_process.admin.flushall()
    async with redis_brokers(broker_process.url) as brokers:
        yield brokers


@pytest.fixture
def broker(connected_brokers: tuple[Broker, Broker]) -> Broker:
    return connected_brokers[0]


@pytest.fixture
def other_broker(connected_brokers: tuple[Broker, Broker]) -> Broker:
    return connected_brokers[1]
