"""Plain functions as tools: so many threads at once, and whoever keeps all others from running is named."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.models.function import FunctionModel
from structlog.testing import capture_logs

from roadworthy import AgentService, NotDone, ToolPolicy
from roadworthy.core.execution import loop_watchdog
from roadworthy.core.execution.loop_watchdog import LoopWatchdog
from roadworthy.core.execution.progress import Progress, calling
from roadworthy.core.tool_gateway.tool_threads import ToolThreads
from roadworthy.frameworks.function import TaskContext
from unit.execution.cluster import Cluster

from .deciding import SOON, answer, scripted


@pytest.fixture
async def threads() -> AsyncIterator[ToolThreads]:
    threads = ToolThreads(at_once=1)
    yield threads
    threads.close()


async def test_one_waits_for_another_and_its_results_and_errors_come_back(threads: ToolThreads):
    let_on = threading.Event()
    loop = asyncio.get_running_loop()
    first = loop.run_in_executor(threads, let_on.wait)
    second = loop.run_in_executor(threads, lambda: 1 // 0)
    await asyncio.sleep(0)
    assert not second.done() and len(threads._waiting) == 1
    let_on.set()
    assert await first is True
    with pytest.raises(ZeroDivisionError):
        await second


async def test_the_wait_for_a_thread_is_on_nobodys_time_and_what_hangs_is_not_counted():
    """The first hangs past its limit; the second waits for its thread for as long, and has all of its time then."""
    over = threading.Event()

    def find(number: int) -> int:
        if number == 0:
            over.wait()
        return number

    async def reply(ctx: TaskContext, message: str) -> list[Any]:
        made = await asyncio.gather(*(ctx.tool(find, number=number) for number in range(3)), return_exceptions=True)
        return ["hung" if isinstance(one, Exception) else one for one in made]

    async def instead(number: int) -> str:
        return "instead"

    policy = ToolPolicy(effect="read", seconds=0.3, fallback=instead)
    service, cluster = AgentService(reply, tools={"find": policy}), Cluster()
    worker = cluster.worker(service, grace_seconds=5)
    worker._threads._at_once = 1
    running = asyncio.create_task(worker.run())
    try:
        task = await cluster.ended(await cluster.submit(service))
        assert answer(task) == ["instead", 1, 2]
        assert worker.abandoned.count == 1 and worker._threads._counted == 0
    finally:
        over.set()
        worker.drain()
        await running


async def test_a_call_that_is_given_up_while_it_waits_never_begins(threads: ToolThreads):
    let_on, began = threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    first = loop.run_in_executor(threads, let_on.wait)
    with Progress(30, lambda *_: None).call("the tool 'find'", 5, tool="find"):
        second = loop.run_in_executor(threads, began.set)
    let_on.set()
    await first
    with pytest.raises(asyncio.CancelledError):
        await second
    await loop.run_in_executor(threads, lambda: None)
    assert not began.is_set() and calling.get() is None


async def test_a_tool_that_keeps_the_interpreters_lock_is_named(threads: ToolThreads, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop_watchdog, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(loop_watchdog, "BLOCKED_SECONDS", 0.15)
    watchdog = LoopWatchdog(lambda _: (None, None), lambda: threads.seen_lately)
    with capture_logs() as logs:
        watchdog.start()
        count = 20_000_000
        with Progress(30, lambda *_: None).call("the tool 'count'", 60, tool="count"):
            async with asyncio.timeout(60):
                while not any(line.get("tool") for line in logs):
                    # In C, without a moment for anybody else.
                    await asyncio.get_running_loop().run_in_executor(threads, sum, range(count))
                    await asyncio.sleep(0.05)
                    count *= 2
        watchdog.stop()
    (line,) = [line for line in logs if line.get("tool")]
    assert (line["event"], line["tool"]) == ("event_loop_blocked", "count")
    assert "GIL" in line["advice"] and line["seconds"] > 0


@pytest.mark.parametrize("is_asked_by_model", [True, False])
async def test_what_must_happen_once_does_not_begin_when_others_may_know_already_that_it_did_not(
    is_asked_by_model: bool,
):
    """It has waited for a thread for longer than a lease."""
    over, paid = threading.Event(), list[str]()

    def busy() -> None:
        over.wait()

    def pay(item: str) -> str:
        paid.append(item)
        return "paid"

    async def pays(ctx: TaskContext, message: str) -> Any:
        try:
            return await ctx.tool(pay, item="tea")
        except NotDone as error:
            return [["failed", str(error)]]

    async def waits(ctx: TaskContext, message: str) -> None:
        await ctx.tool(busy)

    first = AgentService(waits, name="first", tools={"busy": ToolPolicy(effect="read")})
    script = scripted([ToolCallPart("pay", {"item": "tea"}, "c1")])

    async def model(*asked: Any) -> Any:
        # One that is no coroutine would wait for a thread itself.
        return script.function(*asked)  # type: ignore[misc]

    agent = Agent(FunctionModel(model))
    agent.tool_plain(pay)
    second = AgentService(agent if is_asked_by_model else pays, name="second")
    cluster = Cluster()
    worker = cluster.worker(first, second, grace_seconds=5, tool_gateway=SOON)
    worker._threads._at_once = 1
    running = asyncio.create_task(worker.run())
    try:
        beside = await cluster.submit(first)
        await until(lambda: worker._threads._running)
        task = await cluster.submit(second)
        await until(lambda: worker._threads._waiting)
        queued_at = time.monotonic()
        await until(lambda: time.monotonic() - queued_at > SOON.lease_seconds)
        over.set()
        task, _ = await cluster.ended(task), await cluster.ended(beside)
    finally:
        over.set()
        worker.drain()
        await running
    ((outcome, words),) = answer(task)
    assert not paid and outcome == "failed" and "its worker had no thread for it within 0.2 s" in words


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
