"""W3: how late tokens are when many streams run at once, 250 tokens each, 50 a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from benchmarks.benchmark import Benchmark, Figures, in_turns
from benchmarks.http_client import HttpClient
from benchmarks.measure import quantile, spending
from benchmarks.result import Result
from benchmarks.surroundings import Surroundings
from benchmarks.systems import Kind, running_system
from benchmarks.task_client import Seen, stream_from_provider
from benchmarks.workload import MODELS, TOKENS

RAMP_SECONDS = 1.0
CONCURRENCY = 200
QUICK_STREAMS = 5
Case = tuple[Kind | Literal["provider"], int]
AGENT: Case = ("agent", 30)
FUNCTION: Case = ("function", 100)
CASES: tuple[Case, ...] = tuple((kind, case[1]) for case in (AGENT, FUNCTION) for kind in ("provider", "bare", case[0]))


async def run(around: Surroundings) -> Sequence[Result]:
    async def measure(case: Case) -> Figures:
        kind, streams = case
        if kind == "provider":
            provider = HttpClient(around.provider_url)
            seen = await _ramped(streams, lambda: stream_from_provider(provider, MODELS["stream"], TOKENS))
            provider.close()
            cost = ""
        else:
            async with running_system(kind, around, concurrency=CONCURRENCY) as system:
                await system.tasks.warm_up()
                await asyncio.gather(*(system.tasks.stream("quick-stream", TOKENS) for _ in range(QUICK_STREAMS)))
                with spending(system.own) as spent:
                    seen = await _ramped(streams, lambda: system.tasks.stream("stream", TOKENS))
            cost = f"; {spent.cpu_seconds / streams / TOKENS * 1e6:.0f} us CPU a token: {spent}"
        ages = [age * 1000 for one in seen for age in one.ages]
        figures = {
            "first": quantile([one.first * 1000 for one in seen], 0.5),
            "lag": quantile(ages, 0.5),
            "lag_p99": quantile(ages, 0.99),
        }
        around.say(
            f"{kind}, {streams} streams: first token {figures['first']:.1f} ms, "
            f"lag p50 {figures['lag']:.1f} ms, p99 {figures['lag_p99']:.1f} ms{cost}"
        )
        return figures

    measured = await in_turns(around, CASES, measure)
    results: list[Result] = []
    for case, first, lag in ((AGENT, 30, 15), (FUNCTION, 12, 5)):
        what = f"{case[1]} {case[0]} streams"
        mine, bare, provider = (measured[kind, case[1]] for kind in (case[0], "bare", "provider"))
        added, bare_added = (figures["first"] - provider["first"] for figures in (mine, bare))
        results += [
            Result.at_most(f"W3 first token, {what}", added, "ms more", first, bare_added),
            Result.at_most(f"W3 lag p50, {what}", mine["lag"], "ms", lag, bare["lag"]),
            Result(f"W3 lag p99, {what}", mine["lag_p99"], "ms", bare["lag_p99"]),
        ]
    return results


async def _ramped(streams: int, stream: Callable[[], Awaitable[Seen]]) -> list[Seen]:
    """All streams at once, begun one after the other within a second."""

    async def begin(number: int) -> Seen:
        await asyncio.sleep(RAMP_SECONDS * number / streams)
        return await stream()

    return await asyncio.gather(*(begin(number) for number in range(streams)))


benchmark = Benchmark("w3", run)
