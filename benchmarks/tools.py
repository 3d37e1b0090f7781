"""What the gate adds to one tool call, and what it saves that the calls of one reply run at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from typing import Any

from benchmarks.benchmark import Benchmark, Figures, in_turns
from benchmarks.gate import BETWEEN_SECONDS, Timed, working
from benchmarks.result import Result
from benchmarks.surroundings import Surroundings
from roadworthy import AgentService, ToolPolicy
from roadworthy.app.stores import Stores
from roadworthy.core.execution.run_attempt import Served
from roadworthy.core.tool_gateway.tool_call import ToolCall, ToolReply
from roadworthy.domain.ids import new_id
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.service import Effect
from roadworthy.domain.task import NewTask
from roadworthy.frameworks import runner_for
from roadworthy.frameworks.function import TaskContext

TASKS, CALLS, WARM = 20, 40, 3
RESULT = {"order": "DC-1", "status": "on its way", "days": 2}
PAUSE_SECONDS = 0.1
REPLIES = 40
EFFECTS: Sequence[Effect] = ("read", "once")


async def run(around: Surroundings) -> Sequence[Result]:
    async def cost(effect: Effect) -> Figures:
        figures = await _cost(around, effect)
        around.say(
            f"a `{effect}` call: {figures['cpu'] * 1000:.3f} ms CPU in the gate, "
            f"{figures['whole_cpu'] * 1000:.3f} ms with the journal, {figures['seconds'] * 1000:.2f} ms"
        )
        return figures

    async def replies(order: str) -> Figures:
        figures = await _replies(around, order)
        around.say(f"three tools of 100 ms, {order}: {figures['seconds'] * 1000:.1f} ms")
        return figures

    costs = await in_turns(around, EFFECTS, cost)
    orders = await in_turns(around, ("at once", "one after the other"), replies)
    at_once, in_order = orders["at once"]["seconds"] * 1000, orders["one after the other"]["seconds"] * 1000
    return [
        *(
            Result.at_most(f"tools, CPU of a `{effect}` call without journal", costs[effect]["cpu"] * 1000, "ms", 0.4)
            for effect in EFFECTS
        ),
        *(
            Result(f"tools, CPU of a `{effect}` call with journal", costs[effect]["whole_cpu"] * 1000, "ms")
            for effect in EFFECTS
        ),
        Result.at_most("tools, three of 100 ms in one reply", at_once, "ms", 115, in_order),
        Result.at_least("tools, saved by running them at once", 100 * (1 - at_once / in_order), "%", 40),
    ]


class _Tally:
    """CPU and wall seconds of calls, and the part of them that the journal's writes took."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.whole_cpu: list[float] = []
        self.seconds: list[float] = []
        self.done = asyncio.Event()


async def _cost(around: Surroundings, effect: Effect) -> Figures:
    """Of calls one after the other, on a worker whose stores are real. Without the journal: the same gate, whose
    entries are taken as written at once."""
    tally = _Tally()

    async def reply(ctx: TaskContext, message: str) -> str:
        gate: Any = ctx._gate
        whole = await _timed(gate, tally, 0)
        attempt = gate.attempt
        write, attempt._commit = attempt._commit, _taken_as_written(attempt)
        alone = await _timed(gate, tally, CALLS)
        attempt._commit = write
        tally.whole_cpu.append(whole[0])
        tally.seconds.append(whole[1])
        tally.cpu.append(alone[0])
        tally.done.set()
        return "done"

    service = AgentService(reply, name=f"tools-{effect}", tools={"find": ToolPolicy(effect=effect)})
    await _run_tasks(around, service, tally.done, TASKS)
    return {
        "cpu": median(tally.cpu[WARM:]),
        "whole_cpu": median(tally.whole_cpu[WARM:]),
        "seconds": median(tally.seconds[WARM:]),
    }


def _taken_as_written(attempt: Any) -> Callable[[Any], Awaitable[int]]:
    sequence = attempt.position.journal

    async def commit(write: Any) -> int:
        nonlocal sequence
        sequence += 1
        return sequence

    return commit


async def _timed(gate: Any, tally: _Tally, first: int) -> tuple[float, float]:
    """CPU and wall seconds of one call, as the mean of many."""
    payload = b'{"order":"DC-1","status":"on its way","days":2}'

    async def do() -> ToolReply:
        return ToolReply(payload, RESULT)

    calls = [
        ToolCall("find", f"call_{first + number}", b'{"order_id":"DC-%d"}' % (first + number))
        for number in range(CALLS)
    ]
    began, cpu = time.perf_counter(), time.process_time()
    for call in calls:
        await gate.tool(call, do)
    return (time.process_time() - cpu) / CALLS, (time.perf_counter() - began) / CALLS


async def _replies(around: Surroundings, order: str) -> Figures:
    """Seconds from the first call of a reply to the last result, as the agent sees them."""
    timed, done = Timed(), asyncio.Event()

    async def find(number: int) -> int:
        await asyncio.sleep(PAUSE_SECONDS)
        return number

    async def reply(ctx: TaskContext, message: str) -> str:
        async def calls() -> None:
            await asyncio.gather(*(ctx.tool(find, number=number) for number in range(3)))

        await timed(calls)
        done.set()
        return "done"

    policy = ToolPolicy(effect="read", sequential=order != "at once")
    service = AgentService(reply, name=order.replace(" ", "-"), tools={"find": policy})
    await _run_tasks(around, service, done, REPLIES)
    return {"seconds": median(timed.seconds[WARM:])}


async def _run_tasks(around: Surroundings, service: AgentService, done: asyncio.Event, count: int) -> None:
    async with working(around, {service.lane: Served(service, runner_for(service))}) as stores:
        for _ in range(count):
            done.clear()
            await _submit(stores, service)
            await done.wait()
            await asyncio.sleep(BETWEEN_SECONDS)


async def _submit(stores: Stores, service: AgentService) -> None:
    task = NewTask(
        id=new_id(),
        principal=DEVELOPER,
        session_id=new_id(),
        opens_session=True,
        agent=service.name,
        version=service.version,
        input="Where are my orders?",
        limits=service.limits,
    )
    await stores.tasks.submit([task])
    await stores.queue.post({service.lane})


benchmark = Benchmark("tools", run)
