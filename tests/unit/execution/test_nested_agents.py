"""Agents that an agent runs are journaled, counted and replayed like everything else."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import orjson
import pytest
import structlog
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from roadworthy import AgentService, Limits, ToolPolicy
from roadworthy.core.insight.steps import steps_of
from roadworthy.domain.event import EventKind
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import TaskStatus

from .cluster import Cluster

READ = ToolPolicy(effect="read")


class Scripted:
    """A model that gives its replies in turn and counts how often it is asked for each."""

    def __init__(self, *replies: list[Any], gate: asyncio.Event | None = None) -> None:
        self.asked: Counter[int] = Counter()
        self._replies = replies
        self._gate = gate
        self.reached = asyncio.Event()
        self.model = FunctionModel(self._reply)

    async def _reply(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        turn = sum(isinstance(message, ModelResponse) for message in messages)
        self.asked[turn] += 1
        if self._gate is not None and turn == len(self._replies) - 1:
            self.reached.set()
            await self._gate.wait()
        return ModelResponse(parts=self._replies[turn])


def delegating(inner: Agent[Any, str], **fields: Any) -> tuple[AgentService, Scripted]:
    """A service whose agent has its only tool run another agent."""
    outer = Scripted([ToolCallPart("delegate", {}, "call-1")], [TextPart("The answer.")])
    agent = Agent(outer.model)

    @agent.tool_plain
    async def delegate() -> str:
        return (await inner.run("Look into it.")).output

    return AgentService(agent, **({"tools": {"delegate": READ, "look": READ}} | fields)), outer


def looking(scripted: Scripted, looked: Counter[str]) -> Agent[Any, str]:
    agent = Agent(scripted.model, name="inner")

    @agent.tool_plain
    async def look() -> str:
        looked["look"] += 1
        return "seen"

    return agent


async def test_their_calls_are_in_the_journal_under_the_call_that_runs_them():
    inner = Scripted([ToolCallPart("look", {}, "x")], [TextPart("I saw it.")])
    service, _ = delegating(looking(inner, Counter()))
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert (task.status, task.reason) == (TaskStatus.SUCCEEDED, None)
    entries = await cluster.journal.read(DEVELOPER, task.id)
    within = "t1:call-1/a1"
    names = ["input", "m1", f"{within}/m1", f"{within}/t1:x", f"{within}/m2", "t1:call-1", "m2"]
    assert [entry.name for entry in entries] == names
    assert (task.usage.model_calls, task.usage.tool_calls) == (4, 2)
    shown = [(step.get("within"), step["step"], len(step["tool_calls"])) for step in steps_of(entries)]
    assert shown == [(None, 1, 1), (within, 1, 1), (within, 2, 0), (None, 2, 0)]


async def test_what_they_say_is_for_the_tool_and_not_for_the_reader():
    service, _ = delegating(Agent(Scripted([TextPart("a secret of the tool")]).model))
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    events = await cluster.events(task)
    assert [event.data["text"] for event in events if event.kind is EventKind.TEXT] == ["The answer."]
    assert [event.data.get("within") for event in events if event.kind is EventKind.STEP] == [
        None,
        "t1:call-1/a1",
        None,
    ]


async def test_a_second_attempt_takes_from_the_journal_what_they_have_done():
    gate = asyncio.Event()
    looked: Counter[str] = Counter()
    inner = Scripted([ToolCallPart("look", {}, "x")], [TextPart("I saw it.")], gate=gate)
    service, outer = delegating(looking(inner, looked))
    cluster = Cluster()
    submitted = await cluster.submit(service)
    first = asyncio.create_task(cluster.worker(service).run())
    await inner.reached.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await cluster.upkeep.rescue_expired_leases(3, 10)
    gate.set()
    async with cluster.working(service):
        task = await cluster.ended(submitted)
    assert (task.status, task.attempt) == (TaskStatus.SUCCEEDED, 2)
    assert looked == {"look": 1}
    assert (inner.asked[0], inner.asked[1]) == (1, 2)
    assert outer.asked == {0: 1, 1: 1}


async def test_they_use_the_steps_of_the_task():
    service, _ = delegating(
        looking(Scripted([ToolCallPart("look", {}, "x")], [TextPart("I saw it.")]), Counter()), limits=Limits(steps=2)
    )
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert task.status is TaskStatus.PARTIAL
    assert task.reason is not None and "2 steps" in task.reason


async def test_several_at_once_each_have_a_place():
    inner = Agent(Scripted([TextPart("yes")]).model)
    outer = Scripted([ToolCallPart("ask_three", {}, "c")], [TextPart("all said yes")])
    agent = Agent(outer.model)

    @agent.tool_plain
    async def ask_three() -> list[str]:
        results = await asyncio.gather(*(inner.run(f"question {n}") for n in range(3)))
        return [result.output for result in results]

    service = AgentService(agent, tools={"ask_three": READ})
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    names = {entry.name for entry in await cluster.journal.read(DEVELOPER, task.id)}
    assert {"t1:c/a1/m1", "t1:c/a2/m1", "t1:c/a3/m1"} <= names
    assert task.status is TaskStatus.SUCCEEDED


async def test_a_tool_that_is_tried_again_does_not_pay_for_its_agents_again():
    scripted = Scripted([TextPart("yes")])
    inner = Agent(scripted.model)
    outer = Scripted([ToolCallPart("shaky", {}, "c")], [TextPart("done")])
    agent, tries = Agent(outer.model), Counter[str]()

    @agent.tool_plain
    async def shaky() -> str:
        said = (await inner.run("?")).output
        tries["shaky"] += 1
        if tries["shaky"] == 1:
            raise ConnectionError("once")
        return said

    service = AgentService(agent, tools={"shaky": ToolPolicy(effect="read", retries=1)})
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert task.status is TaskStatus.SUCCEEDED
    assert (tries["shaky"], scripted.asked[0]) == (2, 1)


async def test_a_once_tool_of_an_inner_agent_that_never_came_back_is_not_run_again():
    gate = asyncio.Event()
    paid, reached = Counter[str](), asyncio.Event()
    scripted = Scripted([ToolCallPart("pay", {}, "x")], [TextPart("paid")])
    inner = Agent(scripted.model)

    @inner.tool_plain
    async def pay() -> str:
        paid["pay"] += 1
        reached.set()
        await gate.wait()
        raise ConnectionError("nobody knows")

    service, _ = delegating(inner, tools={"delegate": READ})
    cluster = Cluster()
    submitted = await cluster.submit(service)
    async with cluster.working(service):
        await reached.wait()
        gate.set()
        task = await cluster.reaches(submitted, TaskStatus.WAITING)
    assert task.reason is not None and "'pay'" in task.reason
    assert paid == {"pay": 1}


async def test_an_agent_that_a_plain_function_runs_passes_the_gate_and_streams():
    inner = Agent(Scripted([TextPart("Hello there.")]).model)

    async def reply(message: str) -> str:
        return (await inner.run(message)).output

    service = AgentService(reply)
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert orjson.loads(task.output or b"") == "Hello there."
    assert task.usage.model_calls == 1
    assert [event.data["text"] for event in await cluster.events(task) if event.kind is EventKind.TEXT] == [
        "Hello there."
    ]


async def test_one_in_a_thread_of_its_own_is_named_in_the_log():
    inner = Agent(Scripted([TextPart("unseen")]).model, name="hidden")

    async def reply(message: str) -> str:
        return await asyncio.to_thread(lambda: inner.run_sync(message).output)

    service = AgentService(reply)
    cluster = Cluster()
    with structlog.testing.capture_logs() as lines:
        async with cluster.working(service):
            task = await cluster.ended(await cluster.submit(service))
    assert task.status is TaskStatus.SUCCEEDED, task.reason
    assert [line["agent"] for line in lines if line["event"] == "nested_agent_unseen"] == ["hidden"]


@pytest.mark.parametrize("history", [True, False])
async def test_outside_a_task_agents_run_as_ever(history: bool):
    result = await Agent(Scripted([TextPart("free")], [TextPart("again")]).model).run(
        "?", message_history=[ModelResponse([TextPart("before")])] if history else None
    )
    assert result.output == ("again" if history else "free")
