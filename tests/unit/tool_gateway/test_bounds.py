"""Which calls run at once, in which order they begin, and what ends their wait."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from roadworthy import AgentService, Limits, ToolPolicy
from roadworthy.core.tool_gateway import bounds
from roadworthy.core.tool_gateway.calls_at_once import BoundedCall, CallsAtOnce
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.frameworks.function import TaskContext
from unit.execution.cluster import Cluster

from .deciding import answer, calling


class Counter:
    """A tool whose calls wait until they are let on, and that knows how many of them run."""

    def __init__(self) -> None:
        self.running: list[int] = []
        self.began: list[int] = []
        self.most = 0
        self.changed = asyncio.Condition()
        self.let_on = asyncio.Semaphore(0)

    async def work(self, number: int) -> int:
        self.running.append(number)
        self.began.append(number)
        self.most = max(self.most, len(self.running))
        async with self.changed:
            self.changed.notify_all()
        try:
            await self.let_on.acquire()
        finally:
            self.running.remove(number)
        return number

    async def until(self, count: int) -> None:
        """So many have begun."""
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: len(self.began) >= count)

    async def nothing_more_begins(self, count: int) -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(self.began) == count


@pytest.fixture
async def tool() -> AsyncIterator[Counter]:
    yield Counter()


def service_of(framework: str, tool: Counter, policy: ToolPolicy, calls: int = 4, **limits: Any) -> AgentService:
    async def work(number: int) -> int:
        return await tool.work(number)

    async def reply(ctx: TaskContext, message: str) -> list[list[Any]]:
        made = await asyncio.gather(*(ctx.tool(work, number=number) for number in range(calls)))
        return [["success", number] for number in made]

    agent = reply if framework == "function" else calling(work, [{"number": number} for number in range(calls)])
    return AgentService(agent, tools={"work": policy}, limits=Limits(**limits))


both = pytest.mark.parametrize("framework", ["function", "pydantic_ai"])


@both
async def test_a_task_makes_so_many_calls_at_once_and_no_more(framework: str, tool: Counter):
    service, cluster = service_of(framework, tool, ToolPolicy(effect="read"), parallel_tools=3), Cluster()
    async with cluster.working(service):
        task = await cluster.submit(service)
        await tool.until(3)
        await tool.nothing_more_begins(3)
        tool.let_on.release()
        await tool.until(4)
        for _ in range(3):
            tool.let_on.release()
        done = await cluster.ended(task)
    assert answer(done) == [["success", number] for number in range(4)], "results keep the order of the calls"
    assert tool.most == 3


@both
async def test_a_sequential_tool_runs_alone_and_in_order(framework: str, tool: Counter):
    service, cluster = service_of(framework, tool, ToolPolicy(effect="read", sequential=True)), Cluster()
    async with cluster.working(service):
        task = await cluster.submit(service)
        for begun in range(1, 5):
            await tool.until(begun)
            await tool.nothing_more_begins(begun)
            tool.let_on.release()
        await cluster.ended(task)
    assert (tool.most, tool.began) == (1, [0, 1, 2, 3])


async def test_a_tool_has_so_many_calls_over_all_tasks_of_a_worker(tool: Counter):
    service, cluster = service_of("function", tool, ToolPolicy(effect="read", concurrency=2), calls=2), Cluster()
    async with cluster.working(service):
        tasks = [await cluster.submit(service) for _ in range(3)]
        await tool.until(2)
        await tool.nothing_more_begins(2)
        for _ in range(6):
            tool.let_on.release()
        for task in tasks:
            assert (await cluster.ended(task)).status is TaskStatus.SUCCEEDED
    assert (tool.most, len(tool.began)) == (2, 6)


async def test_the_wait_counts_to_no_time_limit():
    async def work(number: int) -> int:
        await asyncio.sleep(0.06)
        return number

    agent = calling(work, [{"number": number} for number in range(4)])
    policy = ToolPolicy(effect="read", seconds=0.15, concurrency=1)
    service, cluster = AgentService(agent, tools={"work": policy}, limits=Limits(step_seconds=0.1)), Cluster()
    async with cluster.working(service, grace_seconds=0.05):
        task = await cluster.ended(await cluster.submit(service))
    assert answer(task) == [["success", number] for number in range(4)]


@pytest.mark.parametrize("bound", [{"concurrency": 1}, {"sequential": True}])
@pytest.mark.parametrize("ends", ["cancelled", "handed over"])
async def test_what_ends_the_attempt_ends_the_wait(tool: Counter, bound: dict[str, Any], ends: str):
    """Also while a call that must happen only once comes to its end first."""
    service, cluster = service_of("function", tool, ToolPolicy(**bound), calls=3), Cluster()
    async with cluster.working(service) as worker:
        task = await cluster.submit(service)
        await tool.until(1)
        if ends == "cancelled":
            await cluster.tasks.cancel(task.principal, task.id)
            worker._cancelled([task.id])
        else:
            worker.drain()
        await tool.nothing_more_begins(1)
        tool.let_on.release()
        wanted = TaskStatus.CANCELLED if ends == "cancelled" else TaskStatus.QUEUED
        await cluster.reaches(task, wanted)
    assert tool.began == [0]
    assert [entry.name for entry in await cluster.journal.read(task.principal, task.id)][1:] == [
        "s0:work#1",
        "t0:work#1",
    ]


async def test_agents_within_tools_never_wait_for_the_tools_that_they_run_in(tool: Counter):
    async def work(number: int) -> int:
        return number

    work.__name__ = "ask"

    async def ask(number: int) -> Any:
        result = await inner.run("go")
        return result.output

    inner = calling(work, [{"number": 7}, {"number": 8}])
    agent = calling(ask, [{"number": number} for number in range(3)])
    bound = ToolPolicy(effect="read", concurrency=1, seconds=5)
    service = AgentService(agent, tools={"ask": bound}, limits=Limits(parallel_tools=1, steps=20))
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert [outcome for outcome, _ in answer(task)] == ["success"] * 3


async def test_a_call_that_ignores_its_cancellation_is_not_counted_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bounds, "LEFT_BEHIND_SECONDS", 0.05)
    over = asyncio.Event()

    async def work() -> str:
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue
        return "late"

    async def reply(ctx: TaskContext, message: str) -> str:
        return await ctx.tool(work) if message == "hang" else await ctx.tool(quick)

    async def quick() -> str:
        return "done"

    quick.__name__ = "work"
    policy = ToolPolicy(effect="read", seconds=0.05, concurrency=1)
    service, cluster = AgentService(reply, tools={"work": policy}), Cluster()
    async with cluster.working(service, grace_seconds=30) as worker:
        hangs = await cluster.submit(service, "hang")
        await cluster.reaches(hangs, TaskStatus.RUNNING)
        task = await cluster.ended(await cluster.submit(service, "work"))
        assert task.status is TaskStatus.SUCCEEDED and worker.running == 1
        over.set()
        await settled(cluster, hangs)


async def settled(cluster: Cluster, task: Task) -> Task:
    return await cluster.until(task, lambda found: found.status is not TaskStatus.RUNNING)


# Turns, one by one


def has_come(turn: BoundedCall) -> bool:
    return turn.come is None or turn.come.done()


async def test_turns_come_in_order_and_a_lone_one_is_not_passed():
    at_once = CallsAtOnce(2)
    first, alone, third = (at_once.ask(None, is_alone) for is_alone in (False, True, False))
    assert [has_come(turn) for turn in (first, alone, third)] == [True, False, False]
    at_once.end(first)
    assert [has_come(turn) for turn in (alone, third)] == [True, False]
    at_once.end(alone)
    assert has_come(third)


async def test_one_that_gives_up_holds_nobody_up():
    at_once = CallsAtOnce(1)
    first, second, third = (at_once.ask(None, False) for _ in range(3))
    assert second.come is not None
    second.come.cancel()
    at_once.give_up(second)
    at_once.end(first)
    assert has_come(third)


async def test_a_guest_that_outlives_its_host_gives_the_place_back_once():
    at_once = CallsAtOnce(1)
    host = at_once.ask(None, False)
    guest = at_once.ask(host, False)
    of_guest = at_once.ask(guest, False)
    waiting = at_once.ask(None, False)
    assert has_come(guest) and has_come(of_guest) and not has_come(waiting)
    at_once.end(guest)
    at_once.end(host)
    assert not has_come(waiting), "somebody still runs in that place"
    at_once.end(of_guest)
    assert has_come(waiting) and at_once._running == 1
