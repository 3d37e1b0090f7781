"""Calls that were asked about, or begun, by code that is another one now."""

from collections import Counter
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ToolCallPart

from roadworthy import AgentService, ToolPolicy
from roadworthy.domain.decision import Verdict
from roadworthy.domain.task import TaskStatus
from unit.execution.cluster import Cluster

from .deciding import answer, decide, pending, scripted, waits

ALWAYS = {"refund": ToolPolicy(approval="always")}


def version(name: str, refund: Any, **fields: Any) -> AgentService:
    agent = Agent(scripted([ToolCallPart("refund", {"order": "17"}, "x")]), retries=3)
    if refund is not None:
        agent.tool_plain(refund, name="refund")
    return AgentService(agent, version=name, tools=ALWAYS, **fields)


async def refund_1(order: str) -> str:
    raise AssertionError("nobody allowed it while this version ran")


async def test_a_call_that_was_asked_about_is_made_by_the_next_version_as_it_was_decided():
    made = Counter[str]()

    async def refund(order: str) -> str:
        made[order] += 1
        return f"refunded {order}"

    cluster, first = Cluster(), version("1", refund_1)
    task = await cluster.submit(first)
    async with cluster.working(first):
        (call,) = await waits(cluster, task)
    await decide(cluster, task, call.call_id, Verdict.APPROVE)
    async with cluster.working(version("2", refund, continues=["1"])):
        task = await cluster.ended(task)
    assert answer(task) == [["success", "refunded 17"]] and made == {"17": 1}


async def test_an_allowed_call_is_not_made_with_arguments_that_nobody_allowed():
    async def refund(order: str, amount: int = 1000) -> str:
        raise AssertionError("nobody allowed this")

    cluster, first = Cluster(), version("1", refund_1)
    task = await cluster.submit(first)
    async with cluster.working(first):
        (call,) = await waits(cluster, task)
    await decide(cluster, task, call.call_id, Verdict.APPROVE)
    async with cluster.working(version("2", refund, continues=["1"])):
        task = await cluster.until(task, lambda found: found.status is TaskStatus.WAITING and found.attempt == 2)
    assert "was made by other code than version '2' has now" in (task.reason or "")


@pytest.mark.parametrize("verdict", [Verdict.APPROVE, Verdict.DENY])
async def test_a_decided_call_that_the_next_version_does_not_come_to_is_not_forgotten(verdict: Verdict):
    """Its tool is gone, or takes other arguments: the model is told, and would go on without it."""

    async def refund(number: int) -> str:
        raise AssertionError("never called")

    for changed in (None, refund):
        cluster, first = Cluster(), version("1", refund_1)
        task = await cluster.submit(first)
        async with cluster.working(first):
            (call,) = await waits(cluster, task)
        await decide(cluster, task, call.call_id, verdict)
        async with cluster.working(version("2", changed, continues=["1"])):
            task = await cluster.until(task, lambda found: found.status is TaskStatus.WAITING and found.attempt == 2)
        left_out = (
            f"does not come to the call of 'refund' ({call.call_id}) that people were asked about; it was not made"
        )
        assert left_out in (task.reason or "") and "was done" not in (task.reason or "")
        assert [each.call_id for each in await pending(cluster, task)] == [call.call_id]
