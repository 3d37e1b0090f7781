"""What people decide reaches the next attempt of the task, however it falls together with the present one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from roadworthy import AgentService, ToolPolicy
from roadworthy.adapters.memory.event_log import MemoryCancelSignals
from roadworthy.adapters.memory.faults import NoFaults, PlannedFaults
from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.core.announcer import Announcer
from roadworthy.core.operations.decide_call import DecideCall
from roadworthy.core.publisher import EventPublisher
from roadworthy.domain.decision import pending_calls, result_key
from roadworthy.domain.errors import DecisionTooSoon
from roadworthy.domain.event import EventKind
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import LIFE_ENDS, Task, TaskStatus
from roadworthy.ports.decisions import Decided

from .cluster import Cluster, WallClock

T = TypeVar("T")


class Shop:
    """An agent that mails somebody who has asked for nothing, after both calls were allowed."""

    def __init__(self, *, slowly: bool = False) -> None:
        self.done: list[str] = []
        self.looking = asyncio.Event()
        self.may_go_on = asyncio.Event()
        if not slowly:
            self.may_go_on.set()
        allowed = ToolPolicy(effect="once", approval="always")
        self.service = AgentService(
            self.reply, name="shop", tools={"refund": allowed, "mail": allowed, "look": ToolPolicy(effect="read")}
        )

    async def reply(self, ctx: Any, message: str) -> str:
        calls = ctx.tool(self.refund, order=7), ctx.tool(self.mail, order=7), ctx.tool(self.look)
        return " ".join(await asyncio.gather(*calls))

    async def refund(self, order: int) -> str:
        self.done.append("refund")
        return "refunded"

    async def mail(self, order: int) -> str:
        self.done.append("mail")
        return "mailed"

    async def look(self) -> str:
        self.looking.set()
        await self.may_go_on.wait()
        return "seen"


class People:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._publisher = EventPublisher(cluster.event_log)
        signals = MemoryCancelSignals(cluster.broker)
        self._announcer = Announcer(MemoryWorkQueue(cluster.broker), self._publisher, signals)
        self._decide = DecideCall(cluster.tasks, cluster.journal, cluster.decisions, self._announcer, 5)

    async def asked(self, task: Task, count: int) -> dict[str, str]:
        """Tool → call id, once they are asked about so many calls."""
        async with asyncio.timeout(60):
            while True:
                entries = await self._cluster.journal.read(DEVELOPER, task.id)
                pending = [call for call in pending_calls(entries, 0) if call.about == "approval"]
                if len(pending) == count:
                    return {call.tool: call.call_id for call in pending}
                await asyncio.sleep(0.005)

    async def approve(self, task: Task, call_id: str) -> Decided:
        return await self.decide(task, {"call_id": call_id, "decision": "approve"})

    async def decide(self, task: Task, order: dict[str, Any]) -> Decided:
        decided = await self._decide.decide(DEVELOPER, task.id, order)
        await self._announcer.close()
        await self._publisher.close()
        return decided


async def test_each_decision_lets_its_call_be_made_and_the_others_wait_on():
    cluster, shop = Cluster(), Shop()
    people = People(cluster)
    async with cluster.working(shop.service):
        task = await cluster.reaches(await cluster.submit(shop.service), TaskStatus.WAITING)
        calls = await people.asked(task, 2)
        await people.approve(task, calls["mail"])
        task = await cluster.until(task, lambda found: (found.status, found.attempt) == (TaskStatus.WAITING, 2))
        assert shop.done == ["mail"]
        await people.approve(task, calls["refund"])
        task = await cluster.ended(task)
    assert (task.status, task.output, task.attempt) == (TaskStatus.SUCCEEDED, b'"refunded mailed seen"', 3)
    assert shop.done == ["mail", "refund"]
    assert task.failures == 0


async def test_what_is_decided_while_a_sibling_runs_is_not_waited_for():
    cluster, shop = Cluster(), Shop(slowly=True)
    people = People(cluster)
    async with cluster.working(shop.service):
        task = await cluster.submit(shop.service)
        for call_id in (await people.asked(task, 2)).values():
            assert (await people.approve(task, call_id)).task.status is TaskStatus.RUNNING
        await shop.looking.wait()
        assert shop.done == []
        shop.may_go_on.set()
        task = await cluster.ended(task)
    assert [change.status for change in task.changes if change.status is TaskStatus.WAITING] == []
    assert sorted(shop.done) == ["mail", "refund"]


async def test_a_store_that_is_away_is_asked_again_for_decisions():
    faults = PlannedFaults(WallClock())
    cluster, shop = Cluster(faults), Shop()
    people = People(cluster)
    async with cluster.working(shop.service):
        task = await cluster.reaches(await cluster.submit(shop.service), TaskStatus.WAITING)
        faults.plan("decisions.of_task", "never")
        for call_id in (await people.asked(task, 2)).values():
            await people.approve(task, call_id)
        task = await cluster.ended(task)
    assert (task.status, sorted(shop.done)) == (TaskStatus.SUCCEEDED, ["mail", "refund"])


async def test_nobody_asks_for_decisions_where_no_call_waits_for_one():
    class Recorded(NoFaults):
        def __init__(self) -> None:
            self.operations: list[str] = []

        async def around(self, operation: str, apply: Callable[[], T]) -> T:
            self.operations.append(operation)
            return await super().around(operation, apply)

    async def reply(ctx: Any, message: str) -> str:
        result = await ctx.tool(shop.refund, order=7)
        if not failed:
            failed.append(True)
            raise ConnectionError("away")
        return result

    failed: list[bool] = []
    faults, shop = Recorded(), Shop()
    cluster = Cluster(faults)
    service = AgentService(reply, name="shop")
    async with cluster.working(service):
        task = await cluster.submit(service)
        await cluster.until(task, lambda found: found.failures > 0 or found.status in LIFE_ENDS)
        await cluster.released(task)
        task = await cluster.ended(task)
    assert (task.status, task.attempt, shop.done) == (TaskStatus.SUCCEEDED, 2, ["refund"])
    assert "journal.read" in faults.operations
    assert "decisions.of_task" not in faults.operations


async def test_readers_hear_that_it_goes_on():
    cluster, shop = Cluster(), Shop()
    people = People(cluster)
    async with cluster.working(shop.service):
        task = await cluster.reaches(await cluster.submit(shop.service), TaskStatus.WAITING)
        for call_id in (await people.asked(task, 2)).values():
            await people.approve(task, call_id)
        await cluster.ended(task)
    reasons = [event.data.get("reason") for event in await cluster.events(task) if event.kind is EventKind.STATUS]
    assert "approved by dev: refund" in reasons


async def test_a_task_that_an_earlier_release_left_waiting_is_decided():
    """It wrote down that the call was started, not for how long it may run, and asked nobody."""
    cluster = Cluster()
    people = People(cluster)

    async def reply(ctx: Any, message: str) -> str:
        return await ctx.tool(broken, order=7)

    async def broken(order: int) -> str:
        raise ConnectionError("reset by peer")

    service = AgentService(reply, name="shop")
    async with cluster.working(service):
        task = await cluster.reaches(await cluster.submit(service), TaskStatus.WAITING)
    row = cluster.database.tasks[task.id]
    row.journal = [
        replace(entry, detail={name: entry.detail[name] for name in entry.detail if name not in ("key", "seconds")})
        for entry in row.journal
        if entry.kind is not EntryKind.ASKED
    ]
    started = row.journal[-1]
    assert (started.kind, row.error and b"effect_unknown" in row.error) == (EntryKind.STARTED, True)
    order = {"call_id": result_key(started), "decision": "done", "value": "refunded"}
    with pytest.raises(DecisionTooSoon, match="for 35 s"):
        await people.decide(task, order)
    row.journal[-1] = replace(started, at=started.at - 36)
    async with cluster.working(service):
        await people.decide(task, order)
        task = await cluster.ended(task)
    assert (task.status, task.output) == (TaskStatus.SUCCEEDED, b'"refunded"')


async def test_a_first_call_that_is_given_up_leaves_the_beginning_to_the_next_one():
    """Its entry may be on its way, or not yet: without what the task started from nothing could be replayed."""
    shop = Shop()

    async def reply(ctx: Any, message: str) -> str:
        given_up = asyncio.ensure_future(ctx.tool(shop.refund, order=7))
        for _ in range(turns):
            await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait([given_up])
        return await ctx.tool(shop.mail, order=7)

    for turns in range(12):
        cluster = Cluster()
        service = AgentService(reply, name="shop", tools={"refund": ToolPolicy(), "mail": ToolPolicy()})
        async with cluster.working(service):
            task = await cluster.submit(service)
            # One that was cut off in the middle of a call is queued again, to find out about it.
            await cluster.until(task, lambda found: found.status is not TaskStatus.RUNNING and found.attempt > 0)
            entries = await cluster.journal.read(DEVELOPER, task.id)
        assert not entries or entries[0].key == "input", turns
