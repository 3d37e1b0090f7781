"""A worker over the stores in memory, in virtual time, whose models answer as they are told."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from roadworthy.core.model_gateway.breakers import ModelBreakers
from roadworthy.core.model_gateway.gateway import ModelGateway
from roadworthy.domain.event import Event
from roadworthy.domain.limits import Limits
from roadworthy.domain.model_input import ProviderCall
from roadworthy.domain.price import Price
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.service import AgentService, ModelTiers
from roadworthy.domain.task import LIFE_ENDS, Task
from roadworthy.testing.virtual_time import VirtualTimeLoop, virtual_time
from unit.execution.cluster import Cluster

T = TypeVar("T")
Show = Callable[[str], None]


class Answered(Exception):
    """A provider's answer, as its client raises it."""

    def __init__(self, status: int, words: str = "no", retry_after: float | None = None) -> None:
        super().__init__(words)
        self.status_code = status
        self.headers = {} if retry_after is None else {"retry-after": str(retry_after)}


@dataclass(frozen=True)
class Says:
    """Text that comes after a while, and what becomes of it then."""

    text: str
    after: float = 0
    then: BaseException | None = None
    stays: bool = False
    """It never comes to an end."""
    cut: bool = False


Outcome = str | BaseException | Says


@dataclass
class Called:
    model: str
    at: float
    simplified: bool
    output_tokens: int | None


@dataclass
class Models:
    """Each gives its outcomes in turn, the last one again and again."""

    outcomes: dict[str, list[Outcome]]
    calls: list[Called] = field(default_factory=list[Called])

    async def ask(self, show: Show, call: ProviderCall) -> Any:
        count = sum(made.model == call.model for made in self.calls)
        now = asyncio.get_running_loop().time()
        self.calls.append(Called(call.model, now, call.simplified, call.output_tokens))
        outcomes = self.outcomes[call.model]
        says = outcomes[min(count, len(outcomes) - 1)]
        if isinstance(says, BaseException):
            raise says
        if isinstance(says, str):
            says = Says(says)
        await asyncio.sleep(says.after)
        show(says.text)
        if says.stays:
            await asyncio.Event().wait()
        if says.then is not None:
            raise says.then
        return reply(says.text, "length" if says.cut else "stop")

    @property
    def asked(self) -> list[str]:
        return [call.model for call in self.calls]

    @property
    def pauses(self) -> list[float]:
        """Between one call and the next."""
        times = [call.at for call in self.calls]
        return [after - before for before, after in itertools.pairwise(times)]


def reply(text: str, finish: str = "stop", tokens: int = 10) -> dict[str, Any]:
    return {
        "choices": [{"message": {"content": text}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": tokens},
    }


class Desk:
    """One service with one tier, whose agent asks its models once and answers what they say."""

    def __init__(
        self,
        outcomes: dict[str, list[Outcome]],
        *,
        breakers: ModelBreakers | None = None,
        agent: Callable[[Any, str], Awaitable[Any]] | None = None,
        **service: Any,
    ) -> None:
        self.models = Models(outcomes)
        self.cluster = Cluster()
        self.cluster.run_beside = _beside
        self.breakers = breakers
        names = tuple(outcomes)
        limits = service.pop("limits", Limits())
        prices = service.pop("prices", {name: Price.free() for name in names})
        tiers = service.pop("models", ModelTiers(moderate=names))
        self.service = AgentService(
            agent or self.agent, models=tiers, prices=prices, limits=limits, router=lambda _: "moderate", **service
        )
        self.gateway: ModelGateway | None = None

    async def agent(self, ctx: Any, message: str) -> str:
        answer = await ctx.model("own", self.models.ask)
        return answer["choices"][0]["message"]["content"]

    @asynccontextmanager
    async def working(self, **settings: Any) -> AsyncGenerator[Desk]:
        worker = self.cluster.worker(self.service, **settings)
        worker.watchdog = _NoWatchdog()  # type: ignore[assignment]
        if self.breakers is not None:
            worker.gateway = replace(worker.gateway, breakers=self.breakers)
            worker._attempt_ports = replace(worker._attempt_ports, gateway=worker.gateway)
        self.gateway = worker.gateway
        running = asyncio.create_task(worker.run())
        try:
            yield self
        finally:
            worker.drain()
            await running

    async def answered(self, text: str = "hello", **fields: Any) -> Task:
        """A task that has come to its end."""
        return await self.ended(await self.cluster.submit(self.service, text, **fields))

    async def ended(self, task: Task) -> Task:
        async with asyncio.timeout(600):
            while (found := await self.cluster.find(task)).status not in LIFE_ENDS:
                await self.cluster.upkeep.release_due_tasks(10)
                await asyncio.sleep(0.1)
        return found

    async def tried_once(self, text: str = "hello") -> Task:
        """A task after its first attempt, whatever became of it."""
        task = await self.cluster.submit(self.service, text)
        async with asyncio.timeout(600):
            while True:
                found = await self.cluster.find(task)
                if found.status in LIFE_ENDS or found.failures:
                    return found
                await asyncio.sleep(0.1)

    async def events(self, task: Task) -> list[Event]:
        return await self.cluster.events(task)

    async def entry(self, task: Task, name: str = "m1") -> dict[str, Any]:
        """The detail of a journal entry."""
        entries = await self.cluster.journal.read(DEVELOPER, task.id)
        return next(entry.detail for entry in entries if entry.name == name)


def in_virtual_time(main: Callable[[], Coroutine[Any, Any, T]], seed: int = 1) -> T:
    chance = random.Random(seed)
    loop = VirtualTimeLoop(chance)
    with virtual_time(loop, chance):
        return loop.run(main())


def run(desk: Desk, **settings: Any) -> Task:
    """One task, from its submission to its end."""

    async def main() -> Task:
        async with desk.working(**settings):
            return await desk.answered()

    return in_virtual_time(main)


def try_once(desk: Desk) -> Task:
    async def main() -> Task:
        async with desk.working():
            return await desk.tried_once()

    return in_virtual_time(main)


def _beside(beats: Coroutine[Any, Any, None]) -> Callable[[], Awaitable[object]]:
    thread = asyncio.get_running_loop().create_task(beats)
    return lambda: asyncio.wait([thread])


class _NoWatchdog:
    blocked_seconds = 0.0

    def start(self) -> None: ...

    def stop(self) -> None: ...
