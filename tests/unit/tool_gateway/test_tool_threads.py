"""Plain functions as tools: so many threads at once, and whoever keeps all others from running is named."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from roadworthy import AgentService, ToolPolicy
from roadworthy.core.execution import loop_watchdog
from roadworthy.core.execution.loop_watchdog import LoopWatchdog
from roadworthy.core.execution.progress import Progress, calling
from roadworthy.core.tool_gateway.tool_threads import ToolThreads
from roadworthy.frameworks.function import TaskContext
from unit.execution.cluster import Cluster

from .deciding import answer


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
