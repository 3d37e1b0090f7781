"""What each way to save money saves: the same questions to the same agent, with one lever at a time and with all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_ai import Agent

from benchmarks.benchmark import Benchmark
from benchmarks.gate import working
from benchmarks.result import Result
from benchmarks.shop_questions import asked
from benchmarks.surroundings import Surroundings
from roadworthy import AgentService, CachePolicy, ModelTiers, Price
from roadworthy.core.execution.run_attempt import Served
from roadworthy.domain.ids import new_id
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import LIFE_ENDS, NewTask, Task, TaskStatus, Usage
from roadworthy.frameworks import runner_for

QUESTIONS, FULL_QUESTIONS = 400, 2000
AT_ONCE = 8
SMALL, MIDDLE, LARGE = (f"anthropic:sim-tokens20-{size}" for size in ("small", "middle", "large"))
PRICES = {
    SMALL: Price(input="1", output="5", cache_read="0.10", cache_write="1.25"),
    MIDDLE: Price(input="3", output="15", cache_read="0.30", cache_write="3.75"),
    LARGE: Price(input="5", output="25", cache_read="0.50", cache_write="6.25"),
}
"""What three sizes of model of one provider cost in 2026."""
TERMS = "Rule {}: be polite, keep to the terms of the shop, name the page that a customer can read on. "
INSTRUCTIONS = "You help the customers of a shop. " + "".join(TERMS.format(number) for number in range(100))
"""About 2,000 tokens, as an agent with terms, examples and a catalogue has them."""


@dataclass(frozen=True, slots=True)
class Lever:
    name: str
    routes: bool = False
    exact: bool = False
    semantic: bool = False
    prompt_caching: bool = False

    @property
    def cache(self) -> CachePolicy | None:
        if not (self.exact or self.semantic):
            return None
        return CachePolicy(exact=self.exact, semantic=self.semantic, shared_by="tenant")

    @property
    def models(self) -> ModelTiers:
        return ModelTiers([SMALL], [MIDDLE], [LARGE]) if self.routes else ModelTiers([LARGE], [LARGE], [LARGE])


LEVERS = (
    Lever("none: the large model for everything"),
    Lever("prompt caching", prompt_caching=True),
    Lever("routing", routes=True),
    Lever("exact cache", exact=True),
    Lever("semantic cache", semantic=True),
    Lever("all of them", True, True, True, True),
)


async def run(around: Surroundings) -> Sequence[Result]:
    os.environ["ANTHROPIC_BASE_URL"], os.environ["ANTHROPIC_API_KEY"] = around.provider_url, "unused"
    questions = asked(FULL_QUESTIONS if around.full else QUESTIONS)
    results: list[Result] = []
    for number, lever in enumerate(LEVERS):
        usage = await _answered(around, lever, f"lever{number}", questions)
        dollars = usage.cost / len(questions) / 1000
        around.say(f"{lever.name}: ${dollars:.2f} for 1,000 questions; {_shown(usage)}")
        results.append(Result(f"cost, {lever.name}", dollars, "$/1,000", results[0].value if results else None))
    return results


def _shown(usage: Usage) -> str:
    return (
        f"{usage.model_calls} calls, {usage.cached_calls} from a cache, "
        f"{usage.input_tokens / 1000:.0f}k tokens in ({usage.cache_read_tokens / 1000:.0f}k kept by the provider), "
        f"{usage.output_tokens / 1000:.0f}k out"
    )


async def _answered(around: Surroundings, lever: Lever, version: str, questions: Sequence[str]) -> Usage:
    settings: dict[str, Any] = {"max_tokens": 300, "anthropic_cache_instructions": lever.prompt_caching}
    service = AgentService(
        Agent(LARGE, instructions=INSTRUCTIONS, model_settings=settings),  # pyright: ignore[reportArgumentType]
        name="levers",
        version=version,
        models=lever.models,
        prices=PRICES,
        cache=lever.cache,
        limits=Limits(cost_usd="10"),
    )
    async with working(around, {service.lane: Served(service, runner_for(service))}, AT_ONCE) as stores:

        async def ask(question: str) -> Usage:
            task = _task(service, question)
            await stores.tasks.submit([task])
            await stores.queue.post({service.lane})
            ended = await _ended(stores, task)
            if ended.status is not TaskStatus.SUCCEEDED:
                raise RuntimeError(f"a question ended {ended.status}: {ended.reason}")
            return ended.usage

        return await _in_order(questions, ask)


async def _in_order(questions: Sequence[str], ask: Any) -> Usage:
    """A few at once, in the order in which they are asked."""
    waiting, used = iter(questions), list[Usage]()

    async def some() -> None:
        for question in waiting:
            used.append(await ask(question))

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return sum(used, Usage())


async def _ended(stores: Any, task: NewTask) -> Task:
    while (found := await stores.tasks.find(DEVELOPER, task.id)).status not in LIFE_ENDS:
        await asyncio.sleep(0.01)
    return found


def _task(service: AgentService, question: str) -> NewTask:
    return NewTask(
        id=new_id(),
        principal=DEVELOPER,
        session_id=new_id(),
        opens_session=True,
        agent=service.name,
        version=service.version,
        input=question,
        limits=service.limits,
    )


benchmark = Benchmark("levers", run)
