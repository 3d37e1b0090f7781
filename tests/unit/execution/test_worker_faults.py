import asyncio
from typing import Any

import pytest

from roadworthy import AgentService, ToolPolicy
from roadworthy.adapters.memory.faults import PlannedFaults
from roadworthy.domain.task import TaskStatus

from .cluster import Cluster, WallClock


async def echo(message: str) -> str:
    return message


async def test_tasks_of_a_claim_whose_answer_was_lost_are_run_all_the_same():
    service, faults = AgentService(echo), PlannedFaults(WallClock())
    cluster = Cluster(faults)
    faults.plan("task_store.claim", "lost")
    task = await cluster.submit(service)
    async with cluster.working(service):
        task = await cluster.ended(task)
    assert (task.status, task.attempt) == (TaskStatus.SUCCEEDED, 1)


@pytest.mark.parametrize("write", ["journal.append", "task_store.settle"])
@pytest.mark.parametrize("applied", ["never", "lost"])
async def test_a_write_that_failed_is_repeated(write: str, applied: str):
    async def ask(ctx: object, message: str) -> str:
        async def call(_: object) -> str:
            return "answer"

        return await ctx.model("m", call)  # type: ignore[attr-defined]

    service, faults = AgentService(ask), PlannedFaults(WallClock())
    cluster = Cluster(faults)
    faults.plan(write, applied)  # type: ignore[arg-type]
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert (task.status, task.attempt, task.usage.model_calls) == (TaskStatus.SUCCEEDED, 1, 1)
    assert task.journal_length == 2


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def deep(levels: int) -> list[Any]:
    return [deep(levels - 1)] if levels else []


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (ValueError("file \udcff.txt not found"), "file ?.txt not found"),
        (ValueError("z" * 50_000), "50,000 characters in all"),
        (Unspeakable(), "can't be read"),
        (asyncio.CancelledError(), "cancelled itself"),
        (SystemExit(3), "SystemExit: 3"),
        (BaseException("odd"), "BaseException: odd"),
        (deep(150), "nested deeper than 100"),
        ("x" * 17_000_000, "larger than 16 MiB"),
    ],
    ids=["surrogate", "long", "unspeakable", "cancelled", "exit", "base", "deep", "large"],
)
async def test_whatever_an_agent_does_its_task_ends_with_a_reason(end: Any, words: str):
    async def agent(message: str) -> Any:
        if message == "well":
            return message
        if isinstance(end, BaseException):
            raise end
        return end

    service = AgentService(agent)
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
        after = await cluster.ended(await cluster.submit(service, "well"))
    assert task.status is TaskStatus.DEAD
    assert words in (task.reason or "")
    assert len(task.reason or "") < 5000
    assert after.status is TaskStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("end", "words"),
    [(SystemExit(3), "SystemExit: 3"), (Unspeakable(), "can't be read"), (deep(150), "nested deeper than 100")],
    ids=["exit", "unspeakable", "deep"],
)
async def test_whatever_a_tool_does_the_worker_goes_on(end: Any, words: str):
    async def tool() -> Any:
        if isinstance(end, BaseException):
            raise end
        return end

    async def agent(ctx: Any, message: str) -> Any:
        return await ctx.tool(tool)

    service = AgentService(agent, tools={"tool": ToolPolicy(effect="read")})
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert task.status is TaskStatus.DEAD
    assert words in (task.reason or "")


async def test_an_error_of_our_own_ends_the_task_and_not_the_worker():
    async def hang(message: str) -> str:
        if message == "hang":
            await asyncio.Event().wait()
        return message

    service = AgentService(hang)
    cluster = Cluster()
    async with cluster.working(service) as worker:
        task = await cluster.submit(service, "hang")
        await cluster.reaches(task, TaskStatus.RUNNING)
        running, _ = worker._running[task.id]
        running._settlement = lambda verdict: 1 / 0  # type: ignore[assignment]
        await cluster.tasks.cancel(task.principal, task.id)
        worker._cancelled([task.id])
        ended = await cluster.ended(task)
        after = await cluster.ended(await cluster.submit(service, "next"))
    assert ended.status in (TaskStatus.CANCELLED, TaskStatus.DEAD)
    assert after.status is TaskStatus.SUCCEEDED
