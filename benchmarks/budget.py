"""What it costs that 500 tasks at once share one budget: the same tasks without a budget and with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.benchmark import Benchmark
from benchmarks.measure import spending
from benchmarks.result import Result
from benchmarks.surroundings import Surroundings
from benchmarks.systems import running_system

TASKS = 1000
AT_ONCE = 500
WITHOUT: Mapping[str, str] = {}
ONE = {"budget_per_user_day_usd": "100000"}
THREE = {**ONE, "budget_per_tenant_month_usd": "1000000", "budget_global_month_usd": "10000000"}
LEAST_PERCENT = 85


async def run(around: Surroundings) -> Sequence[Result]:
    cases = {"no budget": WITHOUT, "one budget": ONE} | ({"three budgets": THREE} if around.full else {})
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    cpu: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(5 if around.full else 3):
        for name, settings in cases.items():
            async with running_system("function", around, concurrency=AT_ONCE, **settings) as system:
                await system.tasks.warm_up()
                with spending(system.all) as spent:
                    await system.tasks.run_many("two-calls", TASKS, AT_ONCE)
            seconds[name].append(spent.seconds)
            cpu[name].append(spent.cpu_seconds)
            around.say(f"{name}: {TASKS} tasks at {TASKS / spent.seconds:.0f}/s; CPU {spent}")
    results: list[Result] = []
    for name in list(cases)[1:]:
        results += [
            Result.at_least(f"throughput, {name}", _percent(seconds, name), "%", LEAST_PERCENT),
            Result.at_least(f"tasks a CPU second, {name}", _percent(cpu, name), "%", LEAST_PERCENT),
        ]
    return results


def _percent(spent: Mapping[str, Sequence[float]], name: str) -> float:
    """Of what is reached without a budget: of each round, because the machine may be slower in the next one."""
    rounds = zip(spent["no budget"], spent[name], strict=True)
    return median(without / with_it * 100 for without, with_it in rounds)


benchmark = Benchmark("budget", run)
