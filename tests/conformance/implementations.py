"""Every implementation of the ports, put together for the contracts."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.budget_accounts import MemoryBudgetAccounts
from roadworthy.adapters.memory.budget_ledger import MemoryBudgetLedger
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.dead_letters import MemoryDeadLetters
from roadworthy.adapters.memory.decisions import MemoryDecisions
from roadworthy.adapters.memory.duty_schedule import MemoryDutySchedule
from roadworthy.adapters.memory.event_log import MemoryCancelSignals, MemoryEventLog
from roadworthy.adapters.memory.grades import MemoryGrades
from roadworthy.adapters.memory.journal import MemoryJournal
from roadworthy.adapters.memory.lanes import MemoryLanes
from roadworthy.adapters.memory.operator_actions import MemoryOperatorActions
from roadworthy.adapters.memory.session_store import MemorySessionStore
from roadworthy.adapters.memory.similar_replies import MemorySimilarReplies
from roadworthy.adapters.memory.task_store import MemoryTaskStore
from roadworthy.adapters.memory.task_upkeep import MemoryTaskUpkeep
from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.adapters.memory.worker_registry import MemoryWorkerRegistry
from roadworthy.adapters.postgres import (
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
    open_pool,
)
from roadworthy.adapters.redis import RedisCancelSignals, RedisEventLog, RedisServer, RedisWorkQueue
from roadworthy.adapters.sqs import SqsWorkQueue
from roadworthy.adapters.sqs.account import AwsAccount
from roadworthy.adapters.sqs.queue_url import QueueUrl
from roadworthy.adapters.sqs.service import SqsService
from roadworthy.testing.conformance.brokers import Broker
from roadworthy.testing.conformance.stores import Stores
from roadworthy.testing.manual_clock import ManualClock

# Not truncated: with so few rows deleting them takes a millisecond, and new files for all tables take fifty.
_EMPTY = """
do $$ begin
    execute (select string_agg(format('delete from %I', tablename), ';')
             from pg_tables where schemaname = 'public' and tablename <> 'schema_migrations');
end $$
"""


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
        tasks=MemoryTaskStore(database),
        upkeep=MemoryTaskUpkeep(database),
        duties=MemoryDutySchedule(database),
        journal=MemoryJournal(database),
        sessions=MemorySessionStore(database),
        workers=MemoryWorkerRegistry(database),
        lanes=MemoryLanes(database),
        dead=MemoryDeadLetters(database),
        actions=MemoryOperatorActions(database),
        grades=MemoryGrades(database),
        decisions=MemoryDecisions(database),
        ledger=MemoryBudgetLedger(database),
        accounts=MemoryBudgetAccounts(database),
        similar=MemorySimilarReplies(database),
        pass_time=clock.advance,
    )


@asynccontextmanager
async def postgres_stores(url: str) -> AsyncIterator[Stores]:
    """Over the migrated database at `url`, emptied."""
    pool = await open_pool(url, 8)
    await pool.fetch(_EMPTY)
    yield Stores(
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
        ledger=PostgresBudgetLedger(pool),
        accounts=PostgresBudgetAccounts(pool),
        similar=PostgresSimilarReplies(pool),
        pass_time=asyncio.sleep,
    )
    await pool.close()


def memory_brokers() -> tuple[Broker, Broker]:
    broker = MemoryBroker(RealClock())
    here, there = (
        Broker(MemoryWorkQueue(broker), MemoryEventLog(broker), MemoryCancelSignals(broker)) for _ in range(2)
    )
    return here, there


@asynccontextmanager
async def redis_brokers(url: str) -> AsyncIterator[tuple[Broker, Broker]]:
    cancel_signals = [RedisCancelSignals(RedisServer(url)) for _ in range(2)]
    here, there = (
        Broker(RedisWorkQueue(RedisServer(url)), RedisEventLog(RedisServer(url)), signals) for signals in cancel_signals
    )
    yield here, there
    for broker in (here, there):
        await broker.work_queue.close()
        await broker.event_log.close()
    for signals in cancel_signals:
        await signals.close()


@asynccontextmanager
async def sqs_brokers(account: AwsAccount, prefix: str) -> AsyncIterator[tuple[Broker, Broker]]:
    """Tickets over SQS; nothing else goes there."""
    queues = [SqsWorkQueue(SqsService(account), QueueUrl(account.region, prefix)) for _ in range(2)]
    others = MemoryBroker(RealClock())
    here, there = (Broker(queue, MemoryEventLog(others), MemoryCancelSignals(others)) for queue in queues)
    yield here, there
    for queue in queues:
        await queue.close()
