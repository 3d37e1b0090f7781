"""Steady load: how long `202` takes at 200 tasks a second, and how long a task waits for a worker at 100 a second.

Submissions come when their time has come, whether or not earlier ones were answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from benchmarks.benchmark import Benchmark, Figures, in_turns
from benchmarks.measure import quantile, spending
from benchmarks.result import Result
from benchmarks.surroundings import Surroundings
from benchmarks.systems import Kind, System, running_system

SUBMITTED_A_SECOND, STARTED_A_SECOND = 200, 100
SECONDS, FULL_SECONDS = 8, 60
KINDS: tuple[Kind, ...] = ("bare", "function")
AGENT = "two-calls"
_STARTED = {
    "bare": "select extract(epoch from claimed_at - created_at)::float8 from bare_tasks where id = any($1)",
    "function": "select extract(epoch from started_at - created_at)::float8 from tasks where id = any($1)",
}
"""Both by the clock of the database, which is in all of them."""


async def run(around: Surroundings) -> Sequence[Result]:
    seconds = FULL_SECONDS if around.full else SECONDS

    async def measure(kind: Kind) -> Figures:
        async with running_system(kind, around) as system:
            await system.tasks.warm_up()
            with spending(system.all) as spent:
                ids, waits = await submit_steadily(system, SUBMITTED_A_SECOND, seconds)
                accepted_a_second = len(ids) / seconds
                await system.tasks.wait_for_all(ids)
            started_ids, _ = await submit_steadily(system, STARTED_A_SECOND, seconds)
            await system.tasks.wait_for_all(started_ids)
        started = await seconds_to_start(around, kind, started_ids)
        figures = {
            "submit p50": quantile(waits, 0.5) * 1000,
            "submit p99": quantile(waits, 0.99) * 1000,
            "start p50": quantile(started, 0.5) * 1000,
            "start p99": quantile(started, 0.99) * 1000,
        }
        shown = ", ".join(f"{name} {value:.1f} ms" for name, value in figures.items())
        around.say(f"{kind}: {accepted_a_second:.0f} accepted a second, {shown}; {len(ids)} tasks cost {spent}")
        return figures

    measured = await in_turns(around, KINDS, measure)
    mine, bare = measured["function"], measured["bare"]
    return [
        Result("steady submit p50, 200/s", mine["submit p50"], "ms", bare["submit p50"]),
        Result.at_most("steady submit p99, 200/s", mine["submit p99"], "ms", 150, bare["submit p99"]),
        Result("steady start p50, 100/s", mine["start p50"], "ms", bare["start p50"]),
        Result.at_most("steady start p99, 100/s", mine["start p99"], "ms", 500, bare["start p99"]),
    ]


async def submit_steadily(system: System, a_second: int, seconds: int) -> tuple[list[str], list[float]]:
    """The ids, and how many seconds each submission took."""
    waits: list[float] = []

    async def submit() -> str:
        asked = time.perf_counter()
        id_ = await system.tasks.submit(AGENT, "What is the weather in Paris?")
        waits.append(time.perf_counter() - asked)
        return id_

    began = time.monotonic()
    submissions: list[asyncio.Task[str]] = []
    for number in range(a_second * seconds):
        await asyncio.sleep(max(0, began + number / a_second - time.monotonic()))
        submissions.append(asyncio.create_task(submit()))
    return await asyncio.gather(*submissions), waits


async def seconds_to_start(around: Surroundings, kind: Kind, ids: Sequence[str]) -> list[float]:
    """From the commit of a task to its claim by a worker."""
    connection = await asyncpg.connect(around.database_url)
    try:
        return [row[0] for row in await connection.fetch(_STARTED[kind], [*map(UUID, ids)])]
    finally:
        await connection.close()


benchmark = Benchmark("steady", run)
