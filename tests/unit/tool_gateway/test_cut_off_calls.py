"""Calls that the agent's own code cancels, or whose waiting it does not hear of."""

import asyncio
import threading
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ToolCallPart

from roadworthy import AgentService, NotDone, ToolPolicy, current_call
from roadworthy.domain.decision import Verdict
from roadworthy.domain.errors import DecisionNeeded
from roadworthy.domain.task import TaskStatus
from roadworthy.frameworks.function import TaskContext
from unit.execution.cluster import Cluster

from .deciding import answer, calling, decide, scripted, waits

paid: list[str] = []
is_paid: asyncio.Event
ONCE = ToolPolicy(effect="once", seconds=20)


@pytest.fixture(autouse=True)
def _nothing_is_paid() -> None:
    global is_paid
    paid.clear()
    is_paid = asyncio.Event()


async def pay(order: str) -> str:
    """The service has it at once; the answer is slow."""
    paid.append(current_call().idempotency_key)
    is_paid.set()
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def receipt(order: str) -> str:
    paid.append(current_call().idempotency_key)
    return "receipt"


async def _until_paid(work: Awaitable[Any]) -> Any:
    """What it comes to; CancelledError ends it once somebody was paid."""
    running = asyncio.ensure_future(work)
    paying = asyncio.ensure_future(is_paid.wait())
    await asyncio.wait({running, paying}, return_when=asyncio.FIRST_COMPLETED)
    paying.cancel()
    if not running.done():
        is_paid.clear()
        running.cancel()
    return await running


async def _decided_once(service: AgentService) -> Any:
    """What the task answers once a person has said that its one effect happened."""
    cluster = Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        await cluster.until(task, lambda found: found.attempt == 1 and found.status is TaskStatus.QUEUED)
        await cluster.released(task)
        (call,) = await waits(cluster, task)
        assert (call.about, len(paid)) == ("effect", 1)
        await decide(cluster, task, call.call_id, Verdict.DONE, "receipt 7")
        task = await cluster.ended(task)
    assert len(paid) == 1
    return answer(task)


async def test_a_function_that_gives_up_waiting_and_calls_again_pays_once():
    async def reply(ctx: TaskContext, message: str) -> list[str]:
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                return [await _until_paid(ctx.tool(pay, order="A"))]
        return ["could not pay back"]

    assert await _decided_once(AgentService(reply, name="shop", tools={"pay": ONCE})) == ["receipt 7"]


async def test_a_sibling_that_fails_leaves_no_effect_forgotten():
    async def fail() -> None:
        await is_paid.wait()
        is_paid.clear()
        raise ValueError("an error of the agent's own")

    async def reply(ctx: TaskContext, message: str) -> list[str]:
        told: list[str] = []

        async def pay_back() -> None:
            told.append(await ctx.tool(pay, order="A"))
            is_paid.set()

        with suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(pay_back())
                group.create_task(fail())
        return told

    assert await _decided_once(AgentService(reply, name="shop", tools={"pay": ONCE})) == ["receipt 7"]


@pytest.mark.parametrize("gives_up", ["by_its_limit", "by_itself"])
async def test_a_tool_that_gives_up_on_its_agent_forgets_no_effect(gives_up: str):
    async def ask_helper(question: str) -> str:
        inner = calling(pay, [{"order": "A"}])
        if gives_up == "by_its_limit":
            return (await inner.run(question)).output
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                return (await _until_paid(inner.run(question))).output
        return "not reachable, nothing was done"

    seconds = 1 if gives_up == "by_its_limit" else 20
    policy = ToolPolicy(effect="read", seconds=seconds, fallback="skip")
    agent = calling(ask_helper, [{"question": "x"}])
    service = AgentService(agent, name="shop", tools={"ask_helper": policy, "pay": ONCE})
    assert await _decided_once(service) == [["success", '[["success","receipt 7"]]']]


@pytest.mark.parametrize("makes_of_it", ["words", "NotDone"])
async def test_a_tool_that_swallows_the_waiting_of_its_agent_is_called_again_once_that_is_allowed(makes_of_it: str):
    async def ask_helper(question: str) -> str:
        try:
            return (await calling(receipt, [{"order": "A"}]).run(question)).output
        except DecisionNeeded as error:
            if makes_of_it == "NotDone":
                raise NotDone("the helper failed") from error
            return "the helper failed"

    policies = {"ask_helper": ToolPolicy(effect="read"), "receipt": ToolPolicy(effect="once", approval="always")}
    service, cluster = AgentService(calling(ask_helper, [{"question": "x"}]), name="shop", tools=policies), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (call,) = await waits(cluster, task)
        assert call.tool == "receipt" and not paid
        await decide(cluster, task, call.call_id, Verdict.APPROVE)
        task = await cluster.ended(task)
    assert answer(task) == [["success", '[["success","receipt"]]']] and len(paid) == 1


async def test_a_tool_that_must_happen_once_and_swallows_the_waiting_of_its_agent_is_asked_about():
    async def ask_helper(question: str) -> str:
        try:
            return (await calling(receipt, [{"order": "A"}]).run(question)).output
        except DecisionNeeded:
            return "the helper failed"

    policies = {"ask_helper": ONCE, "receipt": ToolPolicy(effect="once", approval="always")}
    service, cluster = AgentService(calling(ask_helper, [{"question": "x"}]), name="shop", tools=policies), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        calls = await waits(cluster, task)
    assert {(call.tool, call.about) for call in calls} == {("ask_helper", "effect"), ("receipt", "approval")}


@pytest.mark.parametrize("runs_in", ["loop", "thread"])
async def test_a_time_limit_of_pydantic_ai_leaves_unknown_whether_it_happened(runs_in: str):
    may_end = threading.Event()

    def pay_in_thread(order: str) -> str:
        paid.append(current_call().idempotency_key)
        may_end.wait(30)
        return "too late"

    tool = pay if runs_in == "loop" else pay_in_thread
    name = tool.__name__
    steps = [[ToolCallPart(name, {"order": "A"}, call_id)] for call_id in ("c1", "c2")]
    agent = Agent(scripted(*steps), retries=3)
    agent.tool_plain(timeout=0.5)(tool)
    service, cluster = AgentService(agent, name="shop", tools={name: ONCE}), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (call,) = await waits(cluster, task)
        assert call.about == "effect" and "Timed out after 0.5 seconds" in call.detail["error"]
        await decide(cluster, task, call.call_id, Verdict.DONE, "receipt 7")
        task = await cluster.ended(task)
        may_end.set()
    assert answer(task) == [["success", "receipt 7"], ["success", "receipt 7"]] and len(paid) == 1


async def test_a_tool_hears_at_once_of_the_waiting_of_calls_that_it_makes_itself():
    calls = 0

    async def reply(ctx: TaskContext, message: str) -> list[str]:
        async def order(name: str) -> str:
            nonlocal calls
            calls += 1
            return await ctx.tool(receipt, order=name)

        # Two of them: neither waits for the other's, which waits for it.
        return await asyncio.gather(*(ctx.tool(order, name=name) for name in ("A", "B")))

    policies = {
        "order": ToolPolicy(effect="read", seconds=30),
        "receipt": ToolPolicy(effect="once", approval="always"),
    }
    service, cluster = AgentService(reply, name="shop", tools=policies), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        async with asyncio.timeout(10):
            waiting = await waits(cluster, task)
        assert [call.tool for call in waiting] == ["receipt", "receipt"] and calls == 2
        for call in waiting:
            await decide(cluster, task, call.call_id, Verdict.APPROVE)
        task = await cluster.ended(task)
    assert answer(task) == ["receipt", "receipt"] and len(paid) == 2
