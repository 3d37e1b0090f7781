"""Whatever hangs ends in bounded time and is named; the worker goes on without it."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel

from roadworthy import AgentService, Limits, ToolPolicy
from roadworthy.core.execution.worker import Worker
from roadworthy.domain.event import EventKind
from roadworthy.domain.task import Task, TaskStatus

from .cluster import Cluster

SOON = Limits(step_seconds=0.15)
QUICK: dict[str, Any] = {"grace_seconds": 0.15, "max_retries": 0}


class Hanging:
    """What does not come back before the test is over."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.came_back: list[str] = []

    async def ignoring_cancellation(self) -> str:
        while not self.over.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue
        self.came_back.append("task")
        return "late"

    def in_a_thread(self) -> str:
        self.over.wait()
        self.came_back.append("thread")
        return "late"


@pytest.fixture
async def hanging() -> AsyncIterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.over.set()


async def until_nothing_is_left(worker: Worker, hanging: Hanging) -> None:
    hanging.over.set()
    async with asyncio.timeout(60):
        while worker.abandoned.count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def ended(cluster: Cluster, task: Task) -> Task:
    return await cluster.until(task, lambda found: found.status not in (TaskStatus.QUEUED, TaskStatus.RUNNING))


def error_of(task: Task) -> dict[str, Any]:
    return orjson.loads(task.error or b"{}")


async def test_a_model_that_ignores_its_cancellation_is_left_behind(hanging: Hanging):
    async def reply(ctx: Any, message: str) -> str:
        if message == "well":
            return message

        async def call(stream: Any) -> str:
            answer = await hanging.ignoring_cancellation()
            stream("too late")
            return answer

        return await ctx.model("gpt", call)

    service = AgentService(reply, limits=SOON)
    cluster = Cluster()
    async with cluster.working(service, concurrency=1, **QUICK) as worker:
        task = await ended(cluster, await cluster.submit(service))
        assert (task.status, error_of(task)["code"], error_of(task)["step"]) == (TaskStatus.DEAD, "model_timed_out", 1)
        assert "the model 'gpt' did not come back within 0.15 s, nor when it was cancelled" in (task.reason or "")
        assert worker.abandoned.count == 1
        after = await cluster.ended(await cluster.submit(service, "well"))
        assert after.status is TaskStatus.SUCCEEDED, "its slot is not free"
        await until_nothing_is_left(worker, hanging)
    # What it said after it was left behind went nowhere.
    assert await cluster.find(task) == task
    assert EventKind.TEXT not in [event.kind for event in await cluster.events(task)]


@pytest.mark.parametrize("framework", ["function", "pydantic_ai"])
@pytest.mark.parametrize("effect", ["read", "once"])
@pytest.mark.parametrize("kind", ["task", "thread"])
async def test_a_tool_that_never_comes_back_is_named_and_counted(
    hanging: Hanging, framework: str, effect: Any, kind: str
):
    if kind == "task":

        async def find() -> str:
            return await hanging.ignoring_cancellation()
    else:

        def find() -> str:  # type: ignore[misc]
            return hanging.in_a_thread()

    if framework == "function":

        async def agent(ctx: Any, message: str) -> str:
            return await ctx.tool(find)
    else:

        def model(messages: Any, info: Any) -> ModelResponse:
            return ModelResponse([TextPart("found") if len(messages) > 1 else ToolCallPart("find", {})])

        agent: Any = Agent(FunctionModel(model))  # type: ignore[no-redef]
        agent.tool_plain(find)

    service = AgentService(agent, tools={"find": ToolPolicy(effect=effect, seconds=0.1)})
    cluster = Cluster()
    async with cluster.working(service, **QUICK) as worker:
        task = await ended(cluster, await cluster.submit(service))
        assert error_of(task)["tool"] == "find"
        assert "the tool 'find' did not come back within 0.1 s" in (task.reason or "")
        assert task.status is (TaskStatus.DEAD if effect == "read" else TaskStatus.WAITING)
        assert error_of(task)["code"] == ("tool_timed_out" if effect == "read" else "effect_unknown")
        assert (worker.running, worker.abandoned.count) == (0, 1)
        await until_nothing_is_left(worker, hanging)
    assert hanging.came_back == [kind]
    assert await cluster.find(task) == task


async def test_a_sibling_within_its_limit_comes_to_its_end_first(hanging: Hanging):
    async def hangs() -> str:
        return await hanging.ignoring_cancellation()

    async def pays() -> str:
        await asyncio.sleep(0.5)
        return "paid"

    async def reply(ctx: Any, message: str) -> list[str]:
        return list(await asyncio.gather(ctx.tool(hangs), ctx.tool(pays)))

    tools = {"hangs": ToolPolicy(effect="read", seconds=0.05), "pays": ToolPolicy(seconds=5)}
    service = AgentService(reply, tools=tools)
    cluster = Cluster()
    async with cluster.working(service, **QUICK) as worker:
        task = await ended(cluster, await cluster.submit(service))
        await until_nothing_is_left(worker, hanging)
    assert (task.status, error_of(task)["tool"]) == (TaskStatus.DEAD, "hangs")
    keys = [entry.key for entry in await cluster.journal.read(task.principal, task.id)]
    assert "t0:pays#1" in keys


@pytest.mark.parametrize("obeys", [True, False])
async def test_an_agent_that_calls_nothing_is_ended(hanging: Hanging, obeys: bool):
    async def waits(ctx: Any, message: str) -> str:
        if not obeys:
            return await hanging.ignoring_cancellation()
        while True:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    service = AgentService(waits, limits=SOON)
    cluster = Cluster()
    async with cluster.working(service, **QUICK) as worker:
        task = await ended(cluster, await cluster.submit(service))
        assert (task.status, error_of(task)["code"]) == (TaskStatus.DEAD, "agent_hung")
        assert "called neither a model nor a tool for 0.15 s" in (task.reason or "")
        assert worker.abandoned.count == (not obeys)
        await until_nothing_is_left(worker, hanging)


async def test_an_agent_that_ignores_a_cancel_is_left_behind(hanging: Hanging):
    async def waits(ctx: Any, message: str) -> str:
        return await hanging.ignoring_cancellation()

    service = AgentService(waits)
    cluster = Cluster()
    async with cluster.working(service, **QUICK) as worker:
        task = await cluster.submit(service)
        await cluster.reaches(task, TaskStatus.RUNNING)
        await cluster.tasks.cancel(task.principal, task.id)
        worker._cancelled([task.id])
        task = await ended(cluster, task)
        assert (task.status, worker.abandoned.count) == (TaskStatus.CANCELLED, 1)
        await until_nothing_is_left(worker, hanging)


async def test_calls_and_entries_are_progress():
    """Each step is shorter than the limit, all of them together are not."""

    async def quick() -> str:
        await asyncio.sleep(0.08)
        return "ok"

    async def reply(ctx: Any, message: str) -> str:
        for _ in range(8):
            await ctx.tool(quick)
            await asyncio.sleep(0.08)
        return "done"

    service = AgentService(reply, limits=SOON, tools={"quick": ToolPolicy(effect="read")})
    cluster = Cluster()
    async with cluster.working(service, **QUICK):
        task = await ended(cluster, await cluster.submit(service))
    assert task.status is TaskStatus.SUCCEEDED, task.reason


async def test_a_loop_that_stands_still_is_nobody_elses_fault():
    """A neighbour's blocking code holds everything up for longer than the deadline."""
    blocked = asyncio.Event()

    async def waits(message: str) -> str:
        if message == "block":
            time.sleep(1.6)
            blocked.set()
        await blocked.wait()
        await asyncio.sleep(0.05)
        return message

    service = AgentService(waits, limits=SOON)
    cluster = Cluster()
    async with cluster.working(service, **QUICK):
        patient = await cluster.submit(service, "wait")
        await cluster.reaches(patient, TaskStatus.RUNNING)
        await cluster.submit(service, "block")
        patient = await ended(cluster, patient)
    assert patient.status is TaskStatus.SUCCEEDED, patient.reason
