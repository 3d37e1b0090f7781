import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from roadworthy.adapters.postgres import (
    Pool,
    PostgresBudgetAccounts,
    PostgresBudgetLedger,
    PostgresDeadLetters,
    PostgresDecisions,
    PostgresDutySchedule,
    PostgresGrades,
    PostgresJournal,
    PostgresLanes,
    PostgresOperatorActions,
    PostgresSessionStore,
    PostgresSimilarReplies,
    PostgresTaskStore,
    PostgresTaskUpkeep,
    PostgresWorkerRegistry,
    migrate,
    open_pool,
)
from roadworthy.testing.conformance.stores import Stores

from .other_connection import OtherConnection
from .servers import DEBIAN_15, debian_15, embedded_18

MIGRATED = "migrated"
_END_ALL_OTHERS = """
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""

_LEFT_OPEN = """
    select pid, query from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'
"""


@dataclass(frozen=True)
class Server:
    admin_url: str

    def url(self, database: str) -> str:
        return urlunsplit(urlsplit(self.admin_url)._replace(path=f"/{database}"))

    async def run(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.admin_url)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()


@pytest.fixture(scope="session", params=["18", "15"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if request.param == "15" and not (DEBIAN_15 / "postgres").exists():
        pytest.skip(f"no PostgreSQL 15 in {DEBIAN_15}: install Debian's postgresql-15")
    running = debian_15() if request.param == "15" else embedded_18(tmp_path_factory.mktemp("postgres") / "data")
    with running as url:
        server = Server(url)
        asyncio.run(
            server.run("alter system set fsync = off", "select pg_reload_conf()", f"create database {MIGRATED}")
        )
        asyncio.run(migrate(server.url(MIGRATED)))
        yield server


@pytest.fixture
async def empty_url(server: Server) -> AsyncIterator[str]:
    """A database with nothing in it."""
    await server.run("create database empty template template0 strategy file_copy")
    yield server.url("empty")
    await server.run("drop database empty with (force)")


@pytest.fixture
async def url(server: Server) -> AsyncIterator[str]:
    """A migrated database without rows: a new one for every test would take half a second."""
    yield server.url(MIGRATED)
    connection = await asyncpg.connect(server.url(MIGRATED))
    await connection.execute(_END_ALL_OTHERS)
    tables = await connection.fetch("select relname from pg_stat_user_tables where relname <> 'schema_migrations'")
    await connection.execute(";".join(f"delete from {table['relname']}" for table in tables))
    await connection.close()


@pytest.fixture
async def pool(url: str) -> AsyncIterator[Pool]:
    """Afterwards no call may have left a transaction open."""
    pool = await open_pool(url, 8)
    yield pool
    left = await pool.fetch(_LEFT_OPEN)
    assert not left, left
    await pool.close()


@pytest.fixture
def stores(pool: Pool) -> Stores:
    return Stores(
        tasks=PostgresTaskStore(pool),
        upkeep=PostgresTaskUpkeep(pool),
        duties=PostgresDutySchedule(pool),
        journal=PostgresJournal(pool),
        sessions=PostgresSessionStore(pool),
        workers=PostgresWorkerRegistry(pool),
        lanes=PostgresLanes(pool),
        dead=PostgresDeadLetters(pool),
        actions=PostgresOperatorActions(pool),
        grades=PostgresGrades(pool),
        decisions=PostgresDecisions(pool),
        similar=PostgresSimilarReplies(pool),
        ledger=PostgresBudgetLedger(pool),
        accounts=PostgresBudgetAccounts(pool),
        pass_time=asyncio.sleep,
    )


@pytest.fixture
async def other(url: str) -> AsyncIterator[OtherConnection]:
    async with OtherConnection.opened(url) as connection:
        yield connection
