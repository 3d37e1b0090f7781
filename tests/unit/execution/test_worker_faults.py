import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import orjson
import pytest

from roadworthy import AgentService, ToolPolicy
from roadworthy.adapters.memory.faults import PlannedFaults
from roadworthy.core.insight.event_reader import EventReader, Missing
from roadworthy.domain.event import Event, EventKind
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.testing.virtual_time import VirtualTimeLoop, virtual_time

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


def test_tasks_of_a_claim_that_arrived_after_it_was_given_up_are_run_all_the_same():
    service, chance = AgentService(echo), random.Random(1)
    loop = VirtualTimeLoop(chance)

    def beside(beats: Coroutine[Any, Any, None]) -> Callable[[], Awaitable[object]]:
        beating = asyncio.create_task(beats)
        return lambda: asyncio.wait([beating])

    async def story() -> Task:
        faults = PlannedFaults(WallClock())
        cluster = Cluster(faults)
        cluster.run_beside = beside
        faults.plan("task_store.claim", "late", seconds=6)
        async with cluster.working(service):
            # By now the worker has asked what it has, and claimed again: there was nothing.
            await asyncio.sleep(5.999)
            task = await cluster.submit(service, ticket=False)
            await asyncio.sleep(0.002)
            assert (await cluster.find(task)).status is TaskStatus.RUNNING
            return await cluster.ended(task)

    with virtual_time(loop, chance):
        task = loop.run(story())
    assert (task.status, task.attempt) == (TaskStatus.SUCCEEDED, 1)


async def test_tasks_of_a_claim_whose_answer_was_lost_are_handed_over_by_a_worker_that_drains():
    go_on = asyncio.Event()

    async def waits(message: str) -> str:
        await go_on.wait()
        return message

    service, faults = AgentService(waits), PlannedFaults(WallClock())
    cluster = Cluster(faults)
    async with cluster.working(service, drain_seconds=60) as worker:
        await cluster.reaches(await cluster.submit(service), TaskStatus.RUNNING)
        faults.plan("task_store.claim", "lost")
        in_doubt = await cluster.submit(service)
        await cluster.reaches(in_doubt, TaskStatus.RUNNING)
        faults.plan("task_store.claimed_by", "lost")
        worker.drain()
        handed_over = await cluster.reaches(in_doubt, TaskStatus.QUEUED)
        go_on.set()
    assert (handed_over.attempt, handed_over.failures) == (1, 0)


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


async def test_readers_notice_results_that_are_published_before_an_earlier_one_whose_acknowledgement_was_lost():
    faults = PlannedFaults(WallClock())
    cluster = Cluster(faults)
    first_is_written = asyncio.Event()

    async def first() -> str:
        faults.plan("journal.append", "lost")
        asyncio.get_running_loop().call_later(0.01, first_is_written.set)
        return "first"

    async def second() -> str:
        await first_is_written.wait()
        return "second"

    async def agent(ctx: Any, message: str) -> Any:
        return await asyncio.gather(ctx.tool(first), ctx.tool(second))

    service = AgentService(agent, tools={name: ToolPolicy(effect="read") for name in ("first", "second")})
    reader, shown = EventReader(), list[Event]()
    async with cluster.working(service):
        task = await cluster.submit(service)
        reader.from_store(task, [])
        await cluster.ended(task)
    for record in cluster.broker.records[task.id]:
        events, missing = reader.from_log(record)
        if missing is Missing.STORE:
            entries = await cluster.journal.read(DEVELOPER, task.id, reader.next_sequence)
            events = reader.from_store(await cluster.find(task), entries)
        shown.extend(events)
    assert [event.data["tool"] for event in shown if event.kind is EventKind.TOOL_RESULT] == ["first", "second"]
    assert shown[-1].kind is EventKind.DONE


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


async def test_an_error_of_our_own_is_tried_again_like_a_crash():
    go_on = asyncio.Event()

    async def waits(message: str) -> str:
        await go_on.wait()
        return message

    service = AgentService(waits)
    cluster = Cluster()
    async with cluster.working(service) as worker:
        task = await cluster.submit(service)
        await cluster.reaches(task, TaskStatus.RUNNING)
        running, _ = worker._running[task.id]
        running._settlement = lambda verdict: 1 / 0  # type: ignore[assignment]
        go_on.set()
        failed = await cluster.until(task, lambda found: found.failures == 1)
        assert failed.status is TaskStatus.QUEUED
        assert "Roadworthy failed at this task (ZeroDivisionError" in (failed.reason or "")
        await cluster.released(task)
        ended = await cluster.ended(task)
    assert (ended.status, ended.attempt) == (TaskStatus.SUCCEEDED, 2)


async def test_an_entry_that_the_store_fails_at_is_an_error_of_our_own():
    async def asks(ctx: Any, message: str) -> str:
        async def call(_: object) -> str:
            return "answer"

        return await ctx.model("m", call)

    service = AgentService(asks)
    cluster = Cluster()
    worker = cluster.worker(service, max_retries=0)

    async def broken(write: object) -> object:
        raise ZeroDivisionError("a bug")

    object.__setattr__(worker._attempt_ports, "append", broken)
    running = asyncio.create_task(worker.run())
    task = await cluster.ended(await cluster.submit(service))
    worker.drain()
    await running
    assert (task.status, orjson.loads(task.error or b"")["code"]) == (TaskStatus.DEAD, "internal_error")
