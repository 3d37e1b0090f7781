"""What the gate adds to one model call: an agent of one step, with the gate and without, one run after the other."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from benchmarks.benchmark import Benchmark, Figures, in_turns
from benchmarks.result import Result
from benchmarks.surroundings import Surroundings
from benchmarks.workload import DOLLARS
from roadworthy import AgentService, CachePolicy, ModelTiers, Price
from roadworthy.app.gateway import new_gateway
from roadworthy.app.settings import read_settings
from roadworthy.app.stores import Stores, opened
from roadworthy.app.worker import new_worker
from roadworthy.core.execution.gate import Finished, Gate, Start
from roadworthy.core.execution.run_attempt import Served
from roadworthy.core.model_gateway.prices import PriceBook
from roadworthy.domain.ids import new_id
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.service import AgentService as Service
from roadworthy.domain.task import NewTask
from roadworthy.frameworks.pydantic_ai.runner import PydanticAIRunner, transport

RUNS, WARM = 200, 30
BETWEEN_SECONDS = 0.005
"""The settlement of a task belongs to neither run of the next pair."""
MODEL = "sim-tokens20"
BUDGET = "100000"
CASES = ("journal, money and tiers", "and the exact cache", "and the semantic cache")


async def run(around: Surroundings) -> Sequence[Result]:
    os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"] = f"{around.provider_url}/v1", "unused"

    async def measure(case: str) -> Figures:
        figures = await _beside_bare(around, case)
        around.say(
            "{}: {more} ms more than {bare} ms, {more_cpu} ms more CPU than {bare_cpu} ms".format(
                case, **{name: f"{value * 1000:.2f}" for name, value in figures.items()}
            )
        )
        return figures

    measured = await in_turns(around, CASES, measure)
    cached, embedded = measured[CASES[1]], measured[CASES[2]]
    milliseconds = {name: value * 1000 for name, value in cached.items()}
    return [
        Result.at_most("gate, CPU added to a call", milliseconds["more_cpu"], "ms", 1.5, milliseconds["bare_cpu"]),
        Result.at_most("gate, added to a call", milliseconds["more"], "ms", 3, milliseconds["bare"]),
        Result("gate, offline embedding, CPU", embedded["more_cpu"] * 1000 - milliseconds["more_cpu"], "ms"),
        Result("gate, offline embedding", embedded["more"] * 1000 - milliseconds["more"], "ms"),
    ]


def _agent(around: Surroundings) -> Agent[None, str]:
    provider = OpenAIProvider(base_url=f"{around.provider_url}/v1", api_key="none")
    return Agent(OpenAIChatModel(MODEL, provider=provider), instructions="You help the customers of a shop.")


class Timed:
    """Wall and CPU seconds of what runs within it."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.cpu: list[float] = []

    async def __call__(self, work: Callable[[], Awaitable[Any]]) -> Any:
        began, cpu = time.perf_counter(), time.process_time()
        result = await work()
        self.seconds.append(time.perf_counter() - began)
        self.cpu.append(time.process_time() - cpu)
        return result


class TimedRunner:
    """Runs an agent under the gate, and says how long that took."""

    framework = PydanticAIRunner.framework

    def __init__(self, service: Service) -> None:
        self._runner = PydanticAIRunner(service)
        self.own_models = self._runner.own_models
        self.code = self._runner.code
        self.timed = Timed()
        self.done = asyncio.Event()

    async def run(self, gate: Gate, start: Start) -> Finished:
        try:
            return await self.timed(lambda: self._runner.run(gate, start))
        finally:
            self.done.set()

    def unfinished_turn(self, *arguments: Any) -> Any:
        return self._runner.unfinished_turn(*arguments)


async def _beside_bare(around: Surroundings, case: str) -> Figures:
    """Medians over pairs of runs, one with the gate and one with the same client and streaming and nothing kept: what
    the machine does otherwise comes upon both."""
    agent, bare = _agent(around), Timed()
    model = transport.model(agent.model)

    async def streamed(question: str) -> None:
        async with agent.run_stream(question, model=model) as result:
            async for _ in result.stream_text(delta=True, debounce_by=None):
                pass

    service = _service(around, case)
    runner = TimedRunner(service)
    async with working(around, {service.lane: Served(service, runner)}) as stores:
        for number in range(RUNS):
            await bare(lambda number=number: streamed(_question(number)))
            runner.done.clear()
            await stores.tasks.submit([_task(service, number)])
            await stores.queue.post({service.lane})
            await runner.done.wait()
            await asyncio.sleep(BETWEEN_SECONDS)
    gated = runner.timed
    return {
        "bare": median(bare.seconds[WARM:]),
        "bare_cpu": median(bare.cpu[WARM:]),
        "more": median(b - a for a, b in zip(bare.seconds[WARM:], gated.seconds[WARM:], strict=True)),
        "more_cpu": median(b - a for a, b in zip(bare.cpu[WARM:], gated.cpu[WARM:], strict=True)),
    }


def _service(around: Surroundings, case: str) -> Service:
    chain = (f"openai-chat:{MODEL}",)
    return AgentService(
        _agent(around),
        name="gate",
        version=str(CASES.index(case)),
        models=ModelTiers(chain, chain, chain),
        prices={chain[0]: Price(**DOLLARS), MODEL: Price(**DOLLARS)},
        cache=None if case == CASES[0] else CachePolicy(semantic=case == CASES[2]),
    )


@asynccontextmanager
async def working(around: Surroundings, served: dict[str, Served], at_once: int = 1) -> AsyncGenerator[Stores]:
    """A worker in this process, with all budgets set."""
    settings = read_settings().model_copy(
        update={
            "database_url": around.database_url,
            "redis_url": around.redis_url,
            "worker_concurrency": at_once,
            "budget_per_user_day_usd": BUDGET,
            "budget_per_tenant_month_usd": BUDGET,
            "budget_global_month_usd": BUDGET,
        }
    )
    async with AsyncExitStack() as stack:
        _, stores = await opened(stack, settings)
        worker = new_worker(stores, served, settings, new_gateway(stores, served, settings, PriceBook()))
        running = asyncio.create_task(worker.run())
        try:
            yield stores
        finally:
            worker.drain()
            await running


def _question(number: int) -> str:
    return f"Where is my order DC-{number}? It should have come on Tuesday."


def _task(service: Service, number: int) -> NewTask:
    return NewTask(
        id=new_id(),
        principal=DEVELOPER,
        session_id=new_id(),
        opens_session=True,
        agent=service.name,
        version=service.version,
        input=_question(number),
        limits=service.limits,
    )


benchmark = Benchmark("gate", run)
