"""What an agent can see of its limits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from roadworthy import AgentService, Limits, Price, Remaining, ToolPolicy, remaining
from roadworthy.domain.errors import OutsideTask
from roadworthy.domain.task import TaskStatus

from .cluster import Cluster

LIMITS = Limits(steps=5, total_seconds=60, cost_usd="0.01")
READ = ToolPolicy(effect="read")
PRICES = {"dear": Price("100", "100")}


async def told(dollars: int) -> dict[str, Any]:
    """A reply that costs so many ten-thousandths of a dollar."""
    return {"choices": [{"message": {"content": "well"}}], "usage": {"prompt_tokens": dollars}}


async def test_a_plain_function_and_its_tools_see_what_is_left():
    seen: list[Remaining] = []

    def look() -> str:
        seen.append(remaining())
        return "seen"

    async def look_again() -> str:
        seen.append(remaining())
        return "seen"

    async def reply(ctx: Any, message: str) -> str:
        seen.append(remaining())
        await ctx.model("dear", lambda _: told(30))
        await ctx.tool(look)
        await ctx.model("dear", lambda _: told(20))
        await ctx.tool(look_again)
        return "done"

    service = AgentService(reply, limits=LIMITS, tools={"look": READ, "look_again": READ}, prices=PRICES)
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert task.status is TaskStatus.SUCCEEDED, task.reason
    assert [(each.cost_usd, each.steps) for each in seen] == [("0.01", 5), ("0.007", 4), ("0.005", 3)]
    assert 60 >= seen[0].seconds >= seen[1].seconds >= seen[2].seconds > 0


async def test_an_agents_instructions_and_its_tools_in_threads_see_it_too():
    seen: list[int] = []

    def model(messages: list[Any], info: AgentInfo) -> ModelResponse:
        first = len(messages) == 1
        return ModelResponse([ToolCallPart("look", {}) if first else TextPart("done")])

    agent = Agent(FunctionModel(model))

    @agent.instructions
    def budget(ctx: RunContext[None]) -> str:
        seen.append(remaining().steps)
        return f"You have {remaining().steps} steps left."

    @agent.tool_plain
    def look() -> str:
        seen.append(remaining().steps)
        return "seen"

    service = AgentService(agent, limits=LIMITS, tools={"look": READ})
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert task.status is TaskStatus.SUCCEEDED, task.reason
    assert seen == [5, 4, 4]


async def test_a_task_without_a_limit_of_money_has_no_sum_left():
    seen: list[str | None] = []

    async def reply(message: str) -> str:
        seen.append(remaining().cost_usd)
        return message

    service, cluster = AgentService(reply, limits=Limits(cost_usd="0")), Cluster()
    async with cluster.working(service):
        await cluster.ended(await cluster.submit(service))
    assert seen == [None]


async def test_outside_a_task_it_says_where_to_call_it():
    with pytest.raises(OutsideTask, match="call it from a task's tools"):
        remaining()

    seen: list[OutsideTask] = []

    async def reply(message: str) -> str:
        return message

    service, cluster = AgentService(reply), Cluster()
    async with cluster.working(service):
        await cluster.ended(await cluster.submit(service))
        try:
            await asyncio.create_task(asyncio.to_thread(remaining))
        except OutsideTask as error:
            seen.append(error)
    assert len(seen) == 1
