"""What a store can reserve of one budget that eight workers share, and what that adds to a journal entry."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from statistics import median
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

from benchmarks.benchmark import Benchmark
from benchmarks.result import Result
from benchmarks.surroundings import Surroundings
from roadworthy.adapters.postgres import (
    Pool,
    PostgresBudgetLedger,
    PostgresJournal,
    PostgresTaskStore,
    PostgresWorkerRegistry,
    migrate,
    open_pool,
)
from roadworthy.domain.budget import Budget, BudgetScope, ChargeSettlement, NewCharge
from roadworthy.domain.ids import new_id
from roadworthy.domain.journal import EntryKind, EntryWrite
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Claimed, NewTask
from roadworthy.ports.budget_ledger import Want
from roadworthy.ports.worker_registry import Worker

WORKERS = 8
CALLS_A_DRAW = 16
ESTIMATE = 1000
LIMIT = 10**15
EVERYBODYS = Budget(BudgetScope.GLOBAL_MONTH)
LANE = "ledger@1"
_ONE_STATEMENT_A_CALL = """
    with reserved as (
        update budgets set given = given + $1 where scope = 'global_month' and given + $1 <= $2 returning 1
    )
    insert into charges (
        id, task_id, attempt, generation, key, tenant, owner, agent, version, model, holder, day, budgeted, estimate,
        state, at
    )
    select $3, $4, 1, 0, 'm1', 'acme', 'alice', 'ledger', '1', 'a-model', $5, current_date, true, $1, 'open', now()
    from reserved
"""
"""What one would write first: every call updates the budget's row."""


async def run(around: Surroundings) -> Sequence[Result]:
    seconds = 10 if around.full else 3
    async with _database(around.database_url) as pool:
        tasks = await _claimed(pool, WORKERS * CALLS_A_DRAW)
        draws, reserved = await _with_slices(pool, tasks, seconds)
        naive = await _each_call_by_itself(pool, tasks, seconds)
        charge, plain, settling = await _milliseconds(pool, tasks[0], 500 if around.full else 200)
    around.say(f"{reserved:.0f} calls/s reserved with {draws:.0f} draws/s, {naive:.0f}/s one by one")
    return [
        Result.at_least("calls reserved, one budget, 8 workers", reserved, "calls/s", 2 * naive, reference=naive),
        Result("draws on it meanwhile", draws, "draws/s"),
        Result("a charge", charge, "ms"),
        Result("an entry that settles its charge", settling, "ms", reference=plain),
    ]


async def _with_slices(pool: Pool, tasks: Sequence[Claimed], seconds: float) -> tuple[float, float]:
    """Draws and calls a second."""
    ledger, numbers = PostgresBudgetLedger(pool), count(1)
    draws = 0

    async def reserve(place: int, holder: UUID) -> int:
        nonlocal draws
        want = Want(EVERYBODYS, LIMIT, ESTIMATE, ESTIMATE * CALLS_A_DRAW)
        (drawn,) = await ledger.draw(holder, next(numbers), [want])
        draws += 1
        own = tasks[place * CALLS_A_DRAW :][: drawn.granted // ESTIMATE]
        await ledger.charge([_charge(claimed, holder) for claimed in own])
        return len(own)

    calls = await _a_second(reserve, seconds)
    return draws / seconds, calls


async def _each_call_by_itself(pool: Pool, tasks: Sequence[Claimed], seconds: float) -> float:
    async def reserve(place: int, holder: UUID) -> int:
        await pool.fetch(_ONE_STATEMENT_A_CALL, ESTIMATE, LIMIT, new_id(), tasks[place].task.id, holder)
        return 1

    return await _a_second(reserve, seconds)


async def _a_second(reserve: Callable[[int, UUID], Awaitable[int]], seconds: float) -> float:
    """How many calls eight workers reserve, each again and again."""
    end = time.perf_counter() + seconds

    async def work(place: int) -> int:
        holder, calls = uuid4(), 0
        while time.perf_counter() < end:
            calls += await reserve(place, holder)
        return calls

    return sum(await asyncio.gather(*(work(place) for place in range(WORKERS)))) / seconds


async def _milliseconds(pool: Pool, claimed: Claimed, times: int) -> tuple[float, float, float]:
    """Medians of a charge, an entry without and an entry with one, in turns."""
    ledger, journal = PostgresBudgetLedger(pool), PostgresJournal(pool)
    spent: tuple[list[float], list[float], list[float]] = ([], [], [])
    for turn in range(times):
        charge = _charge(claimed, uuid4())
        plain, settling = (
            EntryWrite(claimed.fence, f"{name}{turn}", EntryKind.MODEL, b"a" * 500, b"{}", charge=settlement)
            for name, settlement in (("a", None), ("b", ChargeSettlement(charge.id, ESTIMATE)))
        )
        for times_of_one, write in zip(
            spent, (ledger.charge([charge]), journal.append([plain]), journal.append([settling])), strict=True
        ):
            began = time.perf_counter()
            await write
            times_of_one.append((time.perf_counter() - began) * 1000)
    charging, without, with_charge = (median(each) for each in spent)
    return charging, without, with_charge


def _charge(claimed: Claimed, holder: UUID) -> NewCharge:
    task = claimed.task
    return NewCharge(
        new_id(), claimed.fence, "m1", task.principal, task.agent, task.version, "a-model", ESTIMATE, holder
    )


async def _claimed(pool: Pool, most: int) -> Sequence[Claimed]:
    tasks, worker = PostgresTaskStore(pool), Worker(uuid4(), {LANE: "digest"}, "here", 1)
    alice = Principal("acme", "alice")
    new = [
        NewTask(new_id(), alice, new_id(), opens_session=True, agent="ledger", version="1", input="", limits=Limits())
        for _ in range(most)
    ]
    await tasks.submit(new)
    await PostgresWorkerRegistry(pool).register(worker, 3600)
    return await tasks.claim(worker.id, [LANE], most)


@asynccontextmanager
async def _database(server_url: str) -> AsyncGenerator[Pool]:
    """One of its own: nobody else shall find these tasks."""
    admin = await open_pool(server_url, 1)
    await admin.fetch("create database ledger")
    url = urlunsplit(urlsplit(server_url)._replace(path="/ledger"))
    await migrate(url)
    pool = await open_pool(url, WORKERS)
    try:
        yield pool
    finally:
        await pool.close()
        await admin.fetch("drop database ledger")
        await admin.close()


benchmark = Benchmark("ledger", run)
