"""W1: how many tasks a second of CPU does, over all processes: API, worker, upkeep, PostgreSQL and Valkey."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.benchmark import Benchmark, Figures, in_turns
from benchmarks.measure import spending
from benchmarks.result import Result
from benchmarks.surroundings import Surroundings
from benchmarks.systems import Kind, running_system

TASKS: dict[Kind, int] = {"bare": 3000, "function": 1500, "agent": 400}
AT_ONCE = 16
UNIT = "tasks/CPU s"


async def run(around: Surroundings) -> Sequence[Result]:
    async def measure(kind: Kind) -> Figures:
        async with running_system(kind, around) as system:
            await system.tasks.warm_up()
            count = TASKS[kind] * (2 if around.full else 1)
            with spending(system.all) as spent:
                await system.tasks.run_many("two-calls", count, AT_ONCE)
        per_cpu_second, per_second = count / spent.cpu_seconds, count / spent.seconds
        around.say(f"{kind}: {per_second:.0f} tasks/s, {per_cpu_second:.0f} {UNIT}; {count} tasks cost {spent}")
        return {"cpu": per_cpu_second}

    measured = await in_turns(around, list[Kind](TASKS), measure)
    bare = measured["bare"]["cpu"]
    return [
        Result.at_least("W1 tasks, agent", measured["agent"]["cpu"], UNIT, 75, bare),
        Result.at_least("W1 tasks, function", measured["function"]["cpu"], UNIT, 300, bare),
    ]


benchmark = Benchmark("w1", run)
