"""One seed: a whole cluster's life, from its start to the end of its last task."""

from __future__ import annotations

import asyncio
import gc
import traceback
from collections import Counter
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import structlog

from roadworthy.core.model_gateway.prices import PriceBook
from roadworthy.domain.task import TaskStatus
from roadworthy.frameworks import runner_for
from roadworthy.testing.virtual_time import SimulatedProcess, VirtualTimeLoop, current_process, virtual_time

from .agents import service
from .clients import Operator, Person, User
from .cluster import Cluster
from .disturbances import Disturbances
from .plan import Plan, draw_plan
from .trace import Trace

LONGEST_SECONDS = 3000.0
"""Of virtual time, after the faults have stopped."""
SETTLING_SECONDS = 80.0
"""How long it may take until the ledger is right, after everything has ended."""
_OURS = {
    "attempt_crashed",
    "attempt_not_settled",
    "duty_crashed",
    "event_readers_not_checked",
    "live_events_failed",
    "live_events_lost",
    "tickets_lost",
}
"""Log lines that, with a traceback, say that our own code failed."""


@dataclass(frozen=True, slots=True)
class Result:
    seed: int
    broken: list[str]
    counts: Counter[str]
    virtual_seconds: float
    callbacks: int
    digest: str
    trace: list[str]


def load_everything() -> None:
    """What is loaded at its first use, once for all seeds: frameworks, the prices of models."""
    PriceBook().read()
    chance = Random(0)
    loop = VirtualTimeLoop(chance)
    cluster = Cluster(replace(draw_plan(chance), workers=0), loop, chance, Trace(loop))
    for pydantic_ai in (True, False):
        runner_for(service(cluster.outside, "1", pydantic_ai))


def run_seed(seed: int, *, keep_trace: bool = False, plan: Plan | None = None) -> Result:
    """Run it in this process, which should do nothing afterwards: what was killed is left lying about."""
    gc.disable()  # what is left of killed processes must not run its `finally` blocks
    chance = Random(seed)
    loop = VirtualTimeLoop(chance)
    with virtual_time(loop, chance):
        trace = Trace(loop)
        cluster = loop.run(_life(plan or draw_plan(chance), loop, chance, trace))
    broken = cluster.checker.broken
    trace.counts["tasks"] = len(cluster.database.tasks)
    lines = trace.lines() if broken or keep_trace else []
    return Result(seed, broken, trace.counts, loop.time(), loop.callbacks, trace.digest(), lines)


async def _life(plan: Plan, loop: VirtualTimeLoop, chance: Random, trace: Trace) -> Cluster:
    cluster = Cluster(plan, loop, chance, trace)
    checker = cluster.checker
    loop.when_broken = lambda context: _uncaught(cluster, context)
    structlog.configure(processors=[lambda *line: _logged(cluster, line)], cache_logger_on_first_use=False)
    trace.add(plan)
    cluster.start()
    living = [
        loop.start(_process(f"user {number}"), User(cluster, number, chance).live())
        for number in range(1, plan.users + 1)
    ]
    if plan.operator:
        living.append(loop.start(SimulatedProcess("operator"), Operator(cluster, chance).live()))
    living.append(loop.start(SimulatedProcess("person"), Person(cluster, chance).live()))
    living.append(asyncio.create_task(Disturbances(cluster, chance).run(plan.seconds)))
    ended = asyncio.create_task(_until_ended(cluster, living))
    over = asyncio.create_task(checker.over.wait())
    await asyncio.wait({ended, over}, return_when=asyncio.FIRST_COMPLETED)
    if not checker.broken:
        for task in living:
            if task.done() and (error := task.exception()):
                words = "".join(traceback.format_exception(error))
                checker.fail("clients are told what they can understand", words)
        _check_liveness(cluster, living)
        checker.check_end()
    return cluster


async def _until_ended(cluster: Cluster, living: list[asyncio.Task[None]]) -> None:
    last = cluster.plan.seconds + LONGEST_SECONDS
    await asyncio.wait(living, timeout=last)
    while cluster.loop.time() < last and cluster.checker.unfinished():  # noqa: ASYNC110
        await asyncio.sleep(1)
    # Idle slices go back, and upkeep finds what nobody accounts for any more.
    if not cluster.checker.broken:
        await asyncio.sleep(SETTLING_SECONDS)


def _check_liveness(cluster: Cluster, living: list[asyncio.Task[None]]) -> None:
    checker = cluster.checker
    for row in checker.unfinished():
        last = row.changes[-1]
        checker.fail(
            "every accepted task ends once the faults stop", f"{checker.name(row)} is {row.status} since {last.at:.1f}"
        )
    if not checker.broken and not all(task.done() for task in living):
        checker.fail("every stream ends", "a client still waits for its `done`, and all tasks have ended")
    for row in cluster.database.tasks.values():
        if row.status is TaskStatus.EXPIRED and row.new.limits.queue_seconds > LONGEST_SECONDS and row.attempt == 0:
            checker.fail("nothing waits for ever in the queue", checker.name(row))


def _process(name: str) -> SimulatedProcess:
    return SimulatedProcess(name)


def _logged(cluster: Cluster, line: tuple[Any, ...]) -> Any:
    _, method, fields = line
    event = fields.get("event")
    if fields.get("exc_info") and method != "warning" and event in _OURS:
        cluster.checker.fail("our own code does not fail", f"{current_process()} {event}\n{traceback.format_exc()}")
    elif method in ("warning", "error"):
        cluster.trace.add("logs", event, fields.get("reason") or fields.get("error") or "")
    raise structlog.DropEvent


def _uncaught(cluster: Cluster, context: dict[str, Any]) -> None:
    error = context.get("exception")
    words = "".join(traceback.format_exception(error)) if error else ""
    cluster.checker.fail("our own code does not fail", f"{context.get('message')}\n{words}")
