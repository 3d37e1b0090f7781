"""What a tool knows of the call that it is."""

import asyncio
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import TextPart, ToolCallPart

from roadworthy import AgentService, StartedCall, ToolPolicy, current_call
from roadworthy.domain.errors import OutsideTask
from roadworthy.frameworks.function import TaskContext
from unit.execution.cluster import Cluster

from .deciding import answer, calling, scripted

seen: list[StartedCall] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


async def in_the_loop(item: str) -> str:
    seen.append(current_call())
    return item


def in_a_thread(item: str) -> str:
    seen.append(current_call())
    return item


def called_by_function(tool: Any) -> Any:
    async def reply(ctx: TaskContext, message: str) -> str:
        await ctx.tool(tool, item="tea")
        with pytest.raises(OutsideTask, match="there is no tool call here"):
            current_call()
        return "[]"

    return reply


@pytest.mark.parametrize("effect", ["read", "idempotent", "once"])
@pytest.mark.parametrize("tool", [in_the_loop, in_a_thread])
@pytest.mark.parametrize("agent_of", [called_by_function, lambda tool: calling(tool, [{"item": "tea"}])])
async def test_it_says_what_is_called_for_whom_and_with_which_key(agent_of: Any, tool: Any, effect: Any):
    service = AgentService(agent_of(tool), tools={tool.__name__: ToolPolicy(effect=effect)})
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    answer(task)
    (call,) = seen
    assert (call.tool, call.arguments, call.attempt) == (tool.__name__, {"item": "tea"}, 1)
    assert (call.task_id, call.session_id) == (str(task.id), str(task.session_id))
    assert (call.tenant, call.user) == (task.principal.tenant, task.principal.user)
    entries = await cluster.journal.read(task.principal, task.id)
    assert call.call_id in {entry.key for entry in entries if entry.kind == "tool"}
    started = [entry for entry in entries if entry.kind == "started"]
    assert [entry.detail["key"] for entry in started] == [call.idempotency_key] * (effect == "once")


async def test_each_of_several_at_once_is_told_its_own():
    agent = calling(in_the_loop, [{"item": str(number)} for number in range(5)])
    service, cluster = AgentService(agent, tools={"in_the_loop": ToolPolicy(effect="read")}), Cluster()
    async with cluster.working(service):
        await cluster.ended(await cluster.submit(service))
    assert sorted(call.arguments["item"] for call in seen) == list("01234")
    assert len({call.idempotency_key for call in seen}) == len({call.call_id for call in seen}) == 5


async def test_a_tool_of_an_inner_agent_is_told_of_the_inner_call():
    inner = calling(in_the_loop, [{"item": "tea"}])
    outer = Agent(scripted([ToolCallPart("delegate", {}, "x"), ToolCallPart("delegate", {}, "y")], [TextPart("[]")]))

    @outer.tool_plain
    async def delegate() -> str:
        await inner.run("go")
        seen.append(current_call())
        return ""

    policies = {"delegate": ToolPolicy(effect="read"), "in_the_loop": ToolPolicy(effect="once")}
    service, cluster = AgentService(outer, tools=policies), Cluster()
    async with cluster.working(service):
        await cluster.ended(await cluster.submit(service))
    inside = {call.call_id: call.idempotency_key for call in seen if call.tool == "in_the_loop"}
    assert set(inside) == {"t1:x/a1/t1:c1.1", "t1:y/a1/t1:c1.1"} and len(set(inside.values())) == 2
    assert [call.tool for call in seen].count("delegate") == 2


async def test_after_a_crash_an_idempotent_tool_sees_the_same_key():
    entered = asyncio.Event()

    async def reserve(item: str) -> str:
        seen.append(current_call())
        entered.set()
        if len(seen) == 1:
            await asyncio.Event().wait()
        return item

    service = AgentService(calling(reserve, [{"item": "tea"}]), tools={"reserve": ToolPolicy(effect="idempotent")})
    cluster = Cluster()
    first = asyncio.create_task(cluster.worker(service).run())
    task = await cluster.submit(service)
    await entered.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await cluster.upkeep.rescue_expired_leases(3, 10)
    async with cluster.working(service):
        await cluster.ended(task)
    assert [call.attempt for call in seen] == [1, 2]
    assert len({call.idempotency_key for call in seen}) == 1
