"""W1, submission: how long a client waits for `202` on a server that has little to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from benchmarks.benchmark import Benchmark, Figures, in_turns
from benchmarks.measure import quantile
from benchmarks.result import Result
from benchmarks.surroundings import Surroundings
from benchmarks.systems import Kind, running_system

SUBMISSIONS, FULL_SUBMISSIONS = 100, 300
A_SECOND = 10


async def run(around: Surroundings) -> Sequence[Result]:
    async def measure(kind: Kind) -> Figures:
        count = FULL_SUBMISSIONS if around.full else SUBMISSIONS
        async with running_system(kind, around) as system:
            await system.tasks.warm_up()
            waits: list[float] = []
            ids: list[str] = []
            began = time.monotonic()
            for number in range(count):
                await asyncio.sleep(max(0, began + number / A_SECOND - time.monotonic()))
                asked = time.perf_counter()
                ids.append(await system.tasks.submit("two-calls", "What is the weather in Paris?"))
                waits.append((time.perf_counter() - asked) * 1000)
            await system.tasks.wait_for_all(ids)
        figures = {"p50": quantile(waits, 0.5), "p99": quantile(waits, 0.99)}
        around.say(f"{kind}: {count} submissions, p50 {figures['p50']:.1f} ms, p99 {figures['p99']:.1f} ms")
        return figures

    measured = await in_turns(around, ("bare", "agent"), measure)
    return [
        Result("W1 submit p50, 10/s", measured["agent"]["p50"], "ms", measured["bare"]["p50"]),
        Result.at_most("W1 submit p99, 10/s", measured["agent"]["p99"], "ms", 8, measured["bare"]["p99"]),
    ]


benchmark = Benchmark("submit", run)
