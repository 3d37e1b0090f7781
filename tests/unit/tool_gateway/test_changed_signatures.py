"""Tools that change what they take between versions, while calls of them wait for people."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from roadworthy import AgentService, ToolPolicy
from roadworthy.domain.decision import Verdict
from roadworthy.domain.task import TaskStatus
from roadworthy.frameworks.function import TaskContext
from unit.execution.cluster import Cluster

from .deciding import answer, calling, decide, waits

ASKED_FIRST = {"refund": ToolPolicy(approval="always")}
made: Counter[str] = Counter()


async def refund(order: str, amount: int) -> str:
    made["first"] += 1
    return f"{amount} for {order}"


def other() -> dict[str, Any]:
    """Tools of the same name."""

    async def more(order: str, amount: int, reason: str = "none") -> str:
        made["second"] += 1
        return reason

    async def renamed(order: str, cents: int) -> str:
        made["second"] += 1
        return f"{cents}"

    async def retyped(order: list[str], amount: int) -> str:
        made["second"] += 1
        return f"{amount}"

    tools = {"more": more, "renamed": renamed, "retyped": retyped}
    for tool in tools.values():
        tool.__name__ = "refund"
    return tools


@pytest.mark.parametrize("change", ["more", "renamed", "retyped"])
async def test_a_call_that_was_allowed_is_never_made_by_a_tool_that_takes_something_else(change: str):
    """It was allowed for what it did then: its task says which worker it waits for, and goes on there by itself."""
    made.clear()
    arguments = {"order": "17", "amount": 10}
    first = AgentService(calling(refund, [arguments]), tools=ASKED_FIRST)
    agent = calling(other()[change], [arguments])
    second = AgentService(agent, version="2", continues=["1"], tools=ASKED_FIRST)
    cluster = Cluster()
    task = await cluster.submit(first)
    async with cluster.working(first):
        (call,) = await waits(cluster, task)
    await decide(cluster, task, call.call_id, Verdict.APPROVE)
    async with cluster.working(second):
        found = await cluster.until(task, lambda found: found.status is TaskStatus.WAITING and found.attempt > 1)
    assert "start a worker of version '1' and the task goes on there by itself" in (found.reason or "")
    assert not made
    async with cluster.working(first):
        async with asyncio.timeout(10):
            while not await cluster.lanes.release_parked_tasks(10):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        task = await cluster.ended(task)
    assert (answer(task), made) == ([["success", "10 for 17"]], Counter(first=1))


async def test_code_that_calls_it_otherwise_does_not_get_what_was_allowed():
    async def before(ctx: TaskContext, message: str) -> str:
        return await ctx.tool(refund, order="17", amount=10)

    async def after(ctx: TaskContext, message: str) -> str:
        return await ctx.tool(refund, order="17", amount=1000)

    made.clear()
    first = AgentService(before, tools=ASKED_FIRST)
    second = AgentService(after, version="2", continues=["1"], tools=ASKED_FIRST)
    cluster = Cluster()
    task = await cluster.submit(first)
    async with cluster.working(first):
        (call,) = await waits(cluster, task)
    await decide(cluster, task, call.call_id, Verdict.APPROVE)
    async with cluster.working(second):
        found = await cluster.until(task, lambda found: found.status is TaskStatus.WAITING and found.attempt > 1)
    assert "was made by other code than version '2' has now" in (found.reason or "")
    assert not made
