"""Opens what a process needs from outside: the embedded servers, or those that the settings name."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from roadworthy.adapters.embedded.servers import EmbeddedServers
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
)
from roadworthy.adapters.redis import (
    RedisBreakers,
    RedisCache,
    RedisCancelSignals,
    RedisEventLog,
    RedisServer,
    RedisWorkQueue,
)
from roadworthy.app.settings import EMBEDDED, THROUGH_REDIS, Settings
from roadworthy.core.execution.heartbeat import OpenRegistry
from roadworthy.core.outage import Outage
from roadworthy.domain.errors import StoreUnavailable
from roadworthy.ports.breakers import Breakers
from roadworthy.ports.budget_accounts import BudgetAccounts
from roadworthy.ports.budget_ledger import BudgetLedger
from roadworthy.ports.cache import Cache
from roadworthy.ports.dead_letters import DeadLetters
from roadworthy.ports.decisions import Decisions
from roadworthy.ports.duty_schedule import DutySchedule
from roadworthy.ports.event_log import CancelSignals, EventLog
from roadworthy.ports.grades import Grades
from roadworthy.ports.journal import Journal
from roadworthy.ports.lanes import Lanes
from roadworthy.ports.operator_actions import OperatorActions
from roadworthy.ports.session_store import SessionStore
from roadworthy.ports.similar_replies import SimilarReplies
from roadworthy.ports.task_store import TaskStore
from roadworthy.ports.task_upkeep import TaskUpkeep
from roadworthy.ports.work_queue import WorkQueue
from roadworthy.ports.worker_registry import WorkerRegistry

MIGRATION_WAIT_SECONDS = 60

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Addresses:
    database_url: str
    redis_url: str
    queue_url: str
    exclusive: bool
    """The database is ours alone and was just started: every worker it knows is gone."""


@dataclass(frozen=True, slots=True)
class Stores:
    tasks: TaskStore
    upkeep: TaskUpkeep
    journal: Journal
    sessions: SessionStore
    registry: WorkerRegistry
    open_registry: OpenRegistry
    schedule: DutySchedule
    lanes: Lanes
    dead_letters: DeadLetters
    operator_actions: OperatorActions
    grades: Grades
    decisions: Decisions
    ledger: BudgetLedger
    accounts: BudgetAccounts
    queue: WorkQueue
    event_log: EventLog
    cancel_signals: CancelSignals
    cache: Cache
    similar_replies: SimilarReplies
    breakers: Breakers


@asynccontextmanager
async def addresses(settings: Settings) -> AsyncGenerator[Addresses]:
    """Where the stores are, with the embedded ones running until the context ends."""
    postgres, valkey = settings.database_url == EMBEDDED, settings.redis_url == EMBEDDED
    if not (postgres or valkey):
        yield Addresses(settings.database_url, settings.redis_url, settings.queue_url, exclusive=False)
        return
    servers = EmbeddedServers(settings.data_dir, postgres=postgres, valkey=valkey)
    # Before anything else is heard of it: the first start makes a database, which takes some seconds.
    names = " and ".join(["PostgreSQL"] * postgres + ["Valkey"] * valkey)
    sys.stderr.write(f"Starting {names} in {settings.data_dir} …\n")
    sys.stderr.flush()
    async with servers:
        log.info("embedded_servers_started", folder=str(settings.data_dir.resolve()), pids=servers.pids)
        database_url = servers.database_url if postgres else settings.database_url
        redis_url = servers.redis_url if valkey else settings.redis_url
        yield Addresses(database_url, redis_url, settings.queue_url, exclusive=postgres)


@asynccontextmanager
async def open_stores(where: Addresses, connections: int) -> AsyncGenerator[Stores]:
    """The ports over PostgreSQL, Redis and perhaps SQS; connections are opened when they are needed."""
    pool = Pool(where.database_url, connections)
    server = RedisServer(where.redis_url)
    event_log, signals = RedisEventLog(server), RedisCancelSignals(server)
    cache, breakers = RedisCache(server), RedisBreakers(server)
    queue = await _work_queue(where, server)

    @asynccontextmanager
    async def open_registry() -> AsyncGenerator[WorkerRegistry]:
        own = Pool(where.database_url, 1, seconds=5, application_name="roadworthy-heartbeat")
        try:
            yield PostgresWorkerRegistry(own)
        finally:
            await own.close()

    try:
        yield Stores(
            tasks=PostgresTaskStore(pool),
            upkeep=PostgresTaskUpkeep(pool),
            journal=PostgresJournal(pool),
            sessions=PostgresSessionStore(pool),
            registry=PostgresWorkerRegistry(pool),
            open_registry=open_registry,
            schedule=PostgresDutySchedule(pool),
            lanes=PostgresLanes(pool),
            dead_letters=PostgresDeadLetters(pool),
            operator_actions=PostgresOperatorActions(pool),
            grades=PostgresGrades(pool),
            decisions=PostgresDecisions(pool),
            ledger=PostgresBudgetLedger(pool),
            accounts=PostgresBudgetAccounts(pool),
            queue=queue,
            event_log=event_log,
            cancel_signals=signals,
            cache=cache,
            similar_replies=PostgresSimilarReplies(pool),
            breakers=breakers,
        )
    finally:
        await asyncio.gather(queue.close(), event_log.close(), signals.close(), cache.close(), breakers.close())
        await pool.close()


async def _work_queue(where: Addresses, server: RedisServer) -> WorkQueue:
    if where.queue_url == THROUGH_REDIS:
        return RedisWorkQueue(server)
    from roadworthy.adapters.sqs import open_work_queue

    return await open_work_queue(where.queue_url)


async def migrated(where: Addresses) -> None:
    """Bring the database to this release, waiting for it while it is not there yet; StoreUnavailable after a minute."""
    give_up = time.monotonic() + MIGRATION_WAIT_SECONDS
    outage = Outage("waiting_for_the_store")
    while True:
        try:
            await migrate(where.database_url)
            outage.is_over()
            return
        except StoreUnavailable as error:
            if time.monotonic() > give_up:
                raise
            outage.goes_on(error.message)
            await asyncio.sleep(1)


async def opened(stack: AsyncExitStack, settings: Settings) -> tuple[Addresses, Stores]:
    """The stores that the settings name, brought to this release and open until the stack unwinds."""
    where = await stack.enter_async_context(addresses(settings))
    await migrated(where)
    stores = await stack.enter_async_context(open_stores(where, settings.database_connections))
    return where, stores
