"""Tasks of one version in the hands of another one's code."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from roadworthy import AgentService, ToolPolicy
from roadworthy.core.insight.steps import steps_of
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import Task, TaskStatus

from .cluster import Cluster

POLICIES = {"charge": ToolPolicy(effect="once"), "look_up": ToolPolicy(effect="read")}
Reply = Callable[[Any, str], Awaitable[str]]


def version(number: int, reply: Reply, **others: Any) -> AgentService:
    return AgentService(reply, name="support", version=str(number), tools=POLICIES, **others)


class Shop:
    """What the agents use; a model call after `hang_in` does not come back."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.hanging = asyncio.Event()
        self.hang_in: str | None = None

    async def model(self, ctx: Any, name: str) -> str:
        async def call(_: Any) -> dict[str, Any]:
            self.calls[name] += 1
            if name == self.hang_in:
                self.hanging.set()
                await asyncio.Event().wait()
            return {"choices": [{"message": {"role": "assistant", "content": name}}]}

        return (await ctx.model("m", call))["choices"][0]["message"]["content"]

    async def tool(self, ctx: Any, name: str, **arguments: Any) -> str:
        async def tool(**_: Any) -> str:
            self.calls[name] += 1
            return "done"

        tool.__name__ = name
        return await ctx.tool(tool, **arguments)

    async def plan_charge_tell(self, ctx: Any, message: str) -> str:
        plan = await self.model(ctx, "plan")
        charged = await self.tool(ctx, "charge", order=message)
        return f"{plan} {charged} {await self.model(ctx, 'tell')}"


@pytest.fixture
def shop() -> Shop:
    return Shop()


@asynccontextmanager
async def begun(cluster: Cluster, shop: Shop, old: AgentService) -> AsyncGenerator[Task]:
    """A task whose first worker was lost in its last model call."""
    shop.hang_in = "tell"
    worker = asyncio.create_task(cluster.worker(old).run())
    task = await cluster.submit(old, "7")
    async with asyncio.timeout(60):
        await shop.hanging.wait()
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    await cluster.upkeep.rescue_expired_leases(3, 10)
    shop.hang_in = None
    yield task


async def test_a_task_that_has_not_begun_runs_on_the_version_that_continues_its_own(shop: Shop):
    async def other(ctx: Any, message: str) -> str:
        return await shop.model(ctx, "quick")

    cluster, old = Cluster(), version(1, shop.plan_charge_tell)
    async with cluster.working(version(2, other, continues=["1"])):
        task = await cluster.ended(await cluster.submit(old))
    assert (task.status, task.version, orjson.loads(task.output or b"")) == (TaskStatus.SUCCEEDED, "1", "quick")
    assert [change.reason for change in task.changes] == [None, "continued by version 2", None]


async def test_a_task_that_has_begun_is_replayed_and_goes_on_with_the_new_code(shop: Shop):
    async def with_thanks(ctx: Any, message: str) -> str:
        return f"{await shop.plan_charge_tell(ctx, message)} thanks"

    cluster, old = Cluster(), version(1, shop.plan_charge_tell)
    async with begun(cluster, shop, old) as task, cluster.working(version(2, with_thanks, continues=["1"])):
        ended = await cluster.ended(task)
    assert orjson.loads(ended.output or b"") == "plan done tell thanks"
    assert shop.calls == {"plan": 1, "charge": 1, "tell": 2}
    steps = steps_of(await cluster.journal.read(DEVELOPER, task.id))
    assert [(step["step"], step["version"]) for step in steps] == [(1, "1"), (2, "2")]
    (first, *_) = await cluster.journal.read(DEVELOPER, task.id)
    assert orjson.loads(first.payload)["version"] == "1"


async def another_model_first(shop: Shop, ctx: Any, message: str) -> str:
    await shop.tool(ctx, "look_up")
    return await shop.plan_charge_tell(ctx, message)


async def other_arguments(shop: Shop, ctx: Any, message: str) -> str:
    plan = await shop.model(ctx, "plan")
    await shop.tool(ctx, "charge", order=f"{message}0")
    return plan


async def no_charge(shop: Shop, ctx: Any, message: str) -> str:
    await shop.model(ctx, "plan")
    return await shop.model(ctx, "tell")


async def no_charge_but_a_look(shop: Shop, ctx: Any, message: str) -> str:
    await shop.model(ctx, "plan")
    return await shop.tool(ctx, "look_up")


async def no_call_at_all(shop: Shop, ctx: Any, message: str) -> str:
    return "nothing"


@pytest.mark.parametrize(
    "changed", [another_model_first, other_arguments, no_charge, no_charge_but_a_look, no_call_at_all]
)
async def test_where_the_new_code_does_something_else_it_does_nothing_and_the_task_is_kept_for_its_version(
    shop: Shop, changed: Callable[..., Awaitable[str]]
):
    async def reply(ctx: Any, message: str) -> str:
        return await changed(shop, ctx, message)

    cluster, old = Cluster(), version(1, shop.plan_charge_tell)
    async with begun(cluster, shop, old) as task:
        before = shop.calls.copy()
        async with cluster.working(version(2, reply, continues=["1"])):
            parked = await cluster.reaches(task, TaskStatus.WAITING)
        assert shop.calls == before
        assert parked.reason is not None
        assert "start a worker of version '1' and the task goes on there by itself" in parked.reason
        async with cluster.working(old):
            # As upkeep does, again and again: the worker registers beside this loop.
            async with asyncio.timeout(60):
                while not await cluster.lanes.release_parked_tasks(10):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            ended = await cluster.ended(task)
    assert orjson.loads(ended.output or b"") == "plan done tell"
    assert shop.calls == {"plan": 1, "charge": 1, "tell": 2}


async def test_a_moved_task_whose_journal_does_not_match_can_be_moved_back(shop: Shop):
    async def reply(ctx: Any, message: str) -> str:
        return await no_charge(shop, ctx, message)

    cluster, old = Cluster(), version(1, shop.plan_charge_tell)
    async with begun(cluster, shop, old) as task:
        await cluster.lanes.move(DEVELOPER, "support@1", "2", 10)
        async with cluster.working(version(2, reply)):
            parked = await cluster.reaches(task, TaskStatus.WAITING)
        assert parked.reason is not None
        assert "roadworthy queue move support@2 --to 1 --parked" in parked.reason
        await cluster.lanes.move(DEVELOPER, "support@2", "1", 10, parked=True)
        async with cluster.working(old):
            ended = await cluster.ended(task)
    assert orjson.loads(ended.output or b"") == "plan done tell"
    assert shop.calls == {"plan": 1, "charge": 1, "tell": 2}


async def test_code_that_has_not_changed_may_come_to_its_journal_in_any_order(shop: Shop):
    """Calls at the same time: the first one is made anew before the second one is found in the journal."""

    async def both(ctx: Any, message: str) -> str:
        return " ".join(await asyncio.gather(shop.model(ctx, "tell"), shop.model(ctx, "plan")))

    cluster, old = Cluster(), version(1, both)
    shop.hang_in = "tell"
    worker = asyncio.create_task(cluster.worker(old).run())
    task = await cluster.submit(old)
    await cluster.until(task, lambda found: found.journal_length == 2)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    await cluster.upkeep.rescue_expired_leases(3, 10)
    shop.hang_in = None
    async with cluster.working(version(2, both, continues=["1"])):
        ended = await cluster.ended(task)
    assert orjson.loads(ended.output or b"") == "tell plan"
    assert shop.calls == {"tell": 2, "plan": 1}


async def test_two_versions_work_side_by_side_and_each_task_ends_on_its_own(shop: Shop):
    async def first(ctx: Any, message: str) -> str:
        return await shop.model(ctx, "one")

    async def second(ctx: Any, message: str) -> str:
        return await shop.model(ctx, "two")

    cluster, old, new = Cluster(), version(1, first), version(2, second, continues=["1"])
    async with cluster.working(old), cluster.working(new):
        tasks = [await cluster.submit(service) for service in (old, new) * 5]
        ended = [await cluster.ended(task) for task in tasks]
    assert [orjson.loads(task.output or b"") for task in ended] == ["one", "two"] * 5


async def test_a_worker_that_drains_leaves_its_lane_to_the_next_version_at_once(shop: Shop):
    async def quick(ctx: Any, message: str) -> str:
        return "quick"

    cluster, old = Cluster(), version(1, shop.plan_charge_tell)
    shop.hang_in = "tell"
    draining = cluster.worker(old, concurrency=1)
    running = asyncio.create_task(draining.run())
    await cluster.submit(old)
    await shop.hanging.wait()
    async with cluster.working(version(2, quick, continues=["1"])):
        task = await cluster.submit(old)
        draining.drain()
        ended = await cluster.ended(task)
        assert draining.running == 1
        assert orjson.loads(ended.output or b"") == "quick"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_its_own_worker_is_woken_by_tickets_though_a_newer_one_waits(shop: Shop):
    """A newer version does not take the tickets of a lane that it may not claim from."""

    async def quick(ctx: Any, message: str) -> str:
        return "quick"

    cluster, old = Cluster(), version(1, quick)
    async with cluster.working(version(2, quick, continues=["1"])), cluster.working(old):
        for _ in range(3):
            async with asyncio.timeout(1):
                await cluster.ended(await cluster.submit(old))
