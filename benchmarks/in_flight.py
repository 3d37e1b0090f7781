"""W2: a thousand tasks in one worker, each waiting twice for a model that takes a second. Ideal: two seconds."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.benchmark import Benchmark, Figures, in_turns
from benchmarks.measure import memory_growth, spending
from benchmarks.result import Result
from benchmarks.surroundings import Surroundings
from benchmarks.systems import Kind, running_system

TASKS = 1000
AT_ONCE = 64
KINDS: tuple[Kind, ...] = ("bare", "function", "agent")
SECONDS = {"function": 4.0, "agent": 14.0}
KILOBYTES = {"function": 40.0, "agent": 120.0}


async def run(around: Surroundings) -> Sequence[Result]:
    async def measure(kind: Kind) -> Figures:
        async with running_system(kind, around, concurrency=TASKS) as system:
            await system.tasks.warm_up()
            await around.forget_in_flight()
            async with memory_growth(list(system.own.values())) as growth:
                with spending(system.all) as spent:
                    await system.tasks.run_many("two-slow-calls", TASKS, AT_ONCE)
        figures = {
            "seconds": spent.seconds,
            "in_flight": float(await around.most_in_flight()),
            "kilobytes": growth.kilobytes / TASKS,
        }
        around.say(
            f"{kind}: {TASKS} tasks in {spent.seconds:.1f} s, {figures['in_flight']:.0f} calls at once, "
            f"{figures['kilobytes']:.0f} KB a task; CPU {spent}"
        )
        return figures

    measured = await in_turns(around, KINDS, measure)
    bare = measured["bare"]
    results: list[Result] = []
    for kind in ("agent", "function"):
        mine = measured[kind]
        results += [
            Result.at_most(f"W2 1,000 tasks, {kind}", mine["seconds"], "s", SECONDS[kind], bare["seconds"]),
            Result.at_least(f"W2 calls at once, {kind}", mine["in_flight"], "calls", TASKS, bare["in_flight"]),
            Result.at_most(f"W2 memory, {kind}", mine["kilobytes"], "KB/task", KILOBYTES[kind], bare["kilobytes"]),
        ]
    return results


benchmark = Benchmark("w2", run)
