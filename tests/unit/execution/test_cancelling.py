"""A cancel that was accepted ends the task, wherever it finds it, and what was said so far is kept."""

import asyncio
import threading
from collections import Counter
from typing import Any

import orjson
import pytest

from roadworthy import AgentService, ToolPolicy
from roadworthy.adapters.memory.event_log import MemoryCancelSignals
from roadworthy.adapters.memory.faults import PlannedFaults
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import LIFE_ENDS, Task, TaskStatus

from .cluster import Cluster, WallClock


class Held:
    """A method that a test stops after it has done its work, before anybody hears of it."""

    def __init__(self, of: Any, name: str) -> None:
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        self._method = getattr(of, name)
        setattr(of, name, self._call)

    async def _call(self, *arguments: Any) -> Any:
        answer = await self._method(*arguments)
        if answer:
            self.reached.set()
            await self.go_on.wait()
        return answer


def said(task: Task) -> Any:
    return orjson.loads(task.output or b"null")


async def told_so_far(cluster: Cluster, task: Task) -> list[str]:
    records = await cluster.event_log.read(task.id, 0)
    return [event.data["text"] for record in records for event in record.events if "text" in event.data]


async def cancel(cluster: Cluster, task: Task, *, signal: bool = True) -> None:
    await cluster.tasks.cancel(DEVELOPER, task.id)
    if signal:
        await MemoryCancelSignals(cluster.broker).send(task.id)


async def answers_once_allowed(ctx: Any, message: str) -> str:
    """Says something in its first step and more in its second."""

    async def first(stream: Any) -> str:
        stream("I look.")
        return "looked"

    await ctx.model("first", first)

    async def second(stream: Any) -> str:
        stream("It is half")
        await asyncio.Event().wait()
        return "never"

    return await ctx.model("second", second)


async def test_in_a_stream_the_text_of_this_step_is_kept_not_that_of_the_one_before():
    service, cluster = AgentService(answers_once_allowed), Cluster()
    async with cluster.working(service):
        task = await cluster.submit(service)
        while "It is half" not in await told_so_far(cluster, task):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        await cancel(cluster, task)
        task = await cluster.ended(task)
    assert (task.status, said(task), task.usage.model_calls) == (TaskStatus.CANCELLED, "It is half", 1)


async def test_a_lost_signal_is_made_up_for_by_the_next_heartbeat():
    service, cluster = AgentService(answers_once_allowed), Cluster()
    async with cluster.working(service, lease_seconds=0.6):
        task = await cluster.submit(service)
        await cluster.until(task, lambda found: found.journal_length == 2)
        await cancel(cluster, task, signal=False)
        task = await cluster.ended(task)
    assert task.status is TaskStatus.CANCELLED


async def test_before_the_worker_hears_that_it_has_claimed_the_task():
    """The signal comes to a worker that does not know the task yet; its next heartbeat is far away."""
    service, cluster = AgentService(answers_once_allowed), Cluster()
    claim = Held(cluster.tasks, "claim")
    async with cluster.working(service, lease_seconds=60):
        task = await cluster.submit(service)
        await claim.reached.wait()
        await cancel(cluster, task)
        claim.go_on.set()
        task = await cluster.ended(task)
    assert (task.status, task.journal_length) == (TaskStatus.CANCELLED, 0)


async def test_before_a_claim_whose_answer_was_lost_is_asked_for_again():
    faults = PlannedFaults(WallClock())
    service, cluster = AgentService(answers_once_allowed), Cluster(faults)
    faults.plan("task_store.claim", "lost")
    task = await cluster.submit(service)
    running = asyncio.create_task(cluster.worker(service, lease_seconds=60).run())
    await cluster.reaches(task, TaskStatus.RUNNING)
    await cancel(cluster, task, signal=False)
    task = await cluster.ended(task)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (task.status, task.journal_length) == (TaskStatus.CANCELLED, 0)


async def test_while_the_next_attempt_is_loaded_what_the_first_one_did_is_kept():
    service, cluster = AgentService(answers_once_allowed), Cluster()
    first = asyncio.create_task(cluster.worker(service).run())
    task = await cluster.submit(service)
    await cluster.until(task, lambda found: found.journal_length == 2)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await cluster.upkeep.rescue_expired_leases(3, 10)
    load = Held(cluster.journal, "read")
    async with cluster.working(service):
        await load.reached.wait()
        await cancel(cluster, task)
        load.go_on.set()
        task = await cluster.ended(task)
    assert (task.status, said(task), task.usage.model_calls, task.attempt) == (TaskStatus.CANCELLED, "I look.", 1, 2)


async def test_while_its_end_is_being_written():
    async def echo(message: str) -> str:
        return message

    service, cluster = AgentService(echo), Cluster()
    settle = Held(cluster.tasks, "settle")
    async with cluster.working(service):
        task = await cluster.submit(service)
        await settle.reached.wait()
        await cancel(cluster, task)
        settle.go_on.set()
        task = await cluster.ended(task)
    assert (task.status, said(task)) == (TaskStatus.SUCCEEDED, "hello"), "it had ended before"


async def test_during_the_pause_before_a_retry():
    async def breaks(ctx: Any, message: str) -> str:
        async def call(stream: Any) -> str:
            stream("It is half")
            raise ConnectionResetError("gone")

        return await ctx.model("m", call)

    service, cluster = AgentService(breaks), Cluster()
    async with cluster.working(service):
        task = await cluster.submit(service)
        await cluster.until(task, lambda found: found.failures == 1)
        await cancel(cluster, task)
        task = await cluster.find(task)
    assert (task.status, said(task), task.attempt) == (TaskStatus.CANCELLED, "It is half", 1)


@pytest.mark.parametrize("kind", ["task", "thread"])
@pytest.mark.parametrize("effect", ["read", "idempotent", "once"])
async def test_in_a_tool(effect: Any, kind: str):
    """A `once` call comes to its end first; others end at once, and a thread that can't is counted."""
    entered, calls, over = asyncio.Event(), Counter[str](), threading.Event()
    loop = asyncio.get_running_loop()

    async def in_a_task() -> str:
        calls["began"] += 1
        entered.set()
        while not over.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        calls["ended"] += 1
        return "done"

    def in_a_thread() -> str:
        calls["began"] += 1
        loop.call_soon_threadsafe(entered.set)
        over.wait()
        calls["ended"] += 1
        return "done"

    tool = in_a_task if kind == "task" else in_a_thread

    async def agent(ctx: Any, message: str) -> str:
        return await ctx.tool(tool)

    service = AgentService(agent, tools={tool.__name__: ToolPolicy(effect=effect)})
    cluster = Cluster()
    async with cluster.working(service) as worker:
        task = await cluster.submit(service)
        await entered.wait()
        await cancel(cluster, task)
        if effect == "once":
            await cluster.until(task, lambda found: found.cancel_requested)
            over.set()
        task = await cluster.ended(task)
        if effect != "once":
            assert worker.abandoned.count == (kind == "thread")
        over.set()
        async with asyncio.timeout(60):
            while worker.abandoned.count:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    results = [entry.key for entry in await cluster.journal.read(DEVELOPER, task.id) if entry.key.startswith("t")]
    assert task.status is TaskStatus.CANCELLED
    assert bool(results) == (effect == "once")
    assert calls["began"] == 1 and (calls["ended"] == 1) == (effect == "once" or kind == "thread")


async def test_while_it_waits_for_a_person():
    async def agent(ctx: Any, message: str) -> str:
        async def pay() -> str:
            raise ConnectionResetError("gone")

        async def call(stream: Any) -> str:
            stream("I pay.")
            return "pay"

        await ctx.model("m", call)
        return await ctx.tool(pay)

    service, cluster = AgentService(agent), Cluster()
    async with cluster.working(service):
        task = await cluster.reaches(await cluster.submit(service), TaskStatus.WAITING)
        assert "its own connection broke" in (task.reason or "").replace("the tool's", "its")
        await cancel(cluster, task)
        task = await cluster.find(task)
    assert (task.status, said(task)) == (TaskStatus.CANCELLED, "I pay.")
    assert task.status in LIFE_ENDS
