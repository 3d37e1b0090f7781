"""The tier of a session: decided with its first task, kept with what the task began from, and held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from roadworthy import AgentService, ModelTiers, RouteRequest
from roadworthy.core.insight.steps import steps_of
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import Task, TaskStatus

from .cluster import Cluster

TIERS = ModelTiers(simple=["sim-small"], moderate=["sim-middle"], complex=["sim-large"])


class Desk:
    """An agent that answers with its tier, and a router whose mind can be changed."""

    def __init__(self, tier: str = "simple") -> None:
        self.tier: Any = tier
        self.asked: list[str] = []
        self.calls = 0
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.answering = asyncio.Event()

    def service(self, **fields: Any) -> AgentService:
        async def reply(ctx: Any, message: str) -> str:
            await ctx.model("sim-small", self._answer)
            await self.let_go.wait()
            return str(ctx.tier)

        return AgentService(reply, **{"models": TIERS, "router": self.route} | fields)

    def route(self, request: RouteRequest) -> Any:
        self.asked.append(request.text)
        return self.tier

    async def _answer(self, stream: Callable[[str], None]) -> dict[str, Any]:
        self.calls += 1
        self.answering.set()
        return {"choices": [{"message": {"role": "assistant", "content": "let me see"}}]}


async def answer(cluster: Cluster, service: AgentService, text: str = "hello", **fields: Any) -> Task:
    task = await cluster.ended(await cluster.submit(service, text, **fields))
    assert task.status is TaskStatus.SUCCEEDED, task
    return task


def said(task: Task) -> Any:
    return orjson.loads(task.output or b"null")


async def test_a_session_is_routed_once_and_later_tasks_have_its_tier():
    cluster, desk = Cluster(), Desk("complex")
    service = desk.service()
    async with cluster.working(service):
        first = await answer(cluster, service, "a hard one")
        desk.tier = "simple"
        second = await answer(cluster, service, "and now?", session_id=first.session_id, opens_session=False)
        other = await answer(cluster, service, "an easy one")
    assert [said(task) for task in (first, second, other)] == ["complex", "complex", "simple"]
    assert [task.tier for task in (first, second, other)] == ["complex", "complex", "simple"]
    assert desk.asked == ["a hard one", "an easy one"]


async def test_a_wish_in_the_metadata_is_for_one_task():
    cluster, desk = Cluster(), Desk("simple")
    service = desk.service()
    async with cluster.working(service):
        wished = await answer(cluster, service, metadata=b'{"tier": "complex"}')
        after = await answer(cluster, service, session_id=wished.session_id, opens_session=False)
        again = await answer(
            cluster, service, session_id=wished.session_id, opens_session=False, metadata=b'{"tier": "moderate"}'
        )
    assert [task.tier for task in (wished, after, again)] == ["complex", "simple", "moderate"]
    assert desk.asked == ["hello"]


async def test_without_tiers_there_is_none():
    cluster, desk = Cluster(), Desk()
    service = desk.service(models=None)
    async with cluster.working(service):
        task = await answer(cluster, service)
    assert (said(task), task.tier, desk.asked) == ("None", None, [])


async def test_a_task_that_another_worker_goes_on_with_keeps_its_tier():
    cluster, desk = Cluster(), Desk("complex")
    service = desk.service()
    desk.let_go.clear()
    async with cluster.working(service, drain_seconds=0.05):
        task = await cluster.submit(service)
        await desk.answering.wait()
        await cluster.until(task, lambda found: found.journal_length > 1)
    handed_over = await cluster.find(task)
    assert (handed_over.status, handed_over.tier) == (TaskStatus.QUEUED, "complex")
    desk.tier = "simple"
    desk.let_go.set()
    async with cluster.working(service):
        ended = await cluster.ended(task)
    assert (said(ended), ended.tier, desk.asked, desk.calls) == ("complex", "complex", ["hello"], 1)
    assert ended.attempt == 2


async def test_a_journal_of_an_older_release_is_routed_when_it_is_loaded():
    cluster, desk = Cluster(), Desk("complex")
    service = desk.service()
    desk.let_go.clear()
    async with cluster.working(service, drain_seconds=0.05):
        task = await cluster.submit(service)
        await cluster.until(task, lambda found: found.journal_length > 1)
    row = cluster.database.tasks[task.id]
    facts = {name: value for name, value in orjson.loads(row.journal[0].payload).items() if name not in ("tier", "why")}
    row.journal[0] = type(row.journal[0])(
        **{name: getattr(row.journal[0], name) for name in ("sequence", "key", "kind", "attempt", "at")},
        payload=orjson.dumps(facts),
        detail={},
    )
    desk.let_go.set()
    async with cluster.working(service):
        assert said(await cluster.ended(task)) == "complex"
    assert desk.asked == ["hello", "hello"]


async def test_a_router_that_fails_costs_the_task_nothing():
    cluster, desk = Cluster(), Desk()
    desk.tier = "whatever"
    service = desk.service()
    async with cluster.working(service):
        task = await answer(cluster, service)
    assert (task.tier, task.attempt) == ("moderate", 1)


@pytest.mark.parametrize("metadata", [b"{}", b'{"tier": "complex"}'])
async def test_steps_say_which_tier_answered_and_who_chose_it(metadata: bytes):
    cluster, desk = Cluster(), Desk("simple")

    async def reply(ctx: Any, message: str) -> Any:
        async def ask(stream: Any, call: Any) -> dict[str, Any]:
            return {"choices": [{"message": {"role": "assistant", "content": call.model}}]}

        return (await ctx.model("sim-small", ask))["choices"][0]["message"]["content"]

    service = AgentService(reply, models=TIERS, router=desk.route)
    async with cluster.working(service):
        task = await answer(cluster, service, metadata=metadata)
    entries = await cluster.journal.read(DEVELOPER, task.id)
    begun, called = entries[0], steps_of(entries)[0]
    tier, why = ("simple", "router") if metadata == b"{}" else ("complex", "metadata")
    assert (begun.kind, begun.detail) == (EntryKind.INPUT, {"tier": tier, "why": why})
    assert (called["tier"], called["routed_by"]) == (tier, why)
    assert said(task) == {"simple": "sim-small", "complex": "sim-large"}[tier]
