"""A call that a person allowed with other arguments is a call with those, in everything that is kept of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from execution.cluster import Cluster

from roadworthy import AgentService, Done, StartedCall, ToolPolicy
from roadworthy.adapters.memory.event_log import MemoryCancelSignals
from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.core.announcer import Announcer
from roadworthy.core.insight.pending import PendingReader
from roadworthy.core.operations.decide_call import DecideCall
from roadworthy.core.publisher import EventPublisher
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.core.tool_gateway.last_results import Asked, LastResults
from roadworthy.domain.decision import Verdict
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import Task, TaskStatus

from .deciding import SOON, answer, calling, decide, pending, waits


class Kept(LastResults):
    """The last good results, with the arguments that they are kept under."""

    def __init__(self) -> None:
        super().__init__()
        self.all: dict[bytes, Any] = {}

    def keep(self, asked: Asked, result: Any) -> None:
        self.all[asked.arguments] = result


class Desk:
    """An agent that looks something up for whoever is allowed to know, and people who say what may be looked up."""

    def __init__(self, fallback: Any) -> None:
        self.cluster = Cluster()
        self.is_away = False
        policy = ToolPolicy(effect="read", approval="always", fallback=fallback)
        self.service = AgentService(self.reply, name="desk", tools={"look_up": policy})

    async def reply(self, ctx: Any, message: str) -> str:
        return await ctx.tool(self.look_up, name=message)

    async def look_up(self, name: str) -> str:
        if self.is_away:
            raise ValueError("nobody answers")
        return f"all about {name}"

    async def decided(self, message: str, **decision: Any) -> Task:
        cluster = self.cluster
        publisher = EventPublisher(cluster.event_log)
        announcer = Announcer(MemoryWorkQueue(cluster.broker), publisher, MemoryCancelSignals(cluster.broker))
        task = await cluster.reaches(await cluster.submit(self.service, message), TaskStatus.WAITING)
        (call,) = await PendingReader(cluster.decisions, cluster.journal, 5).of_task(task)
        deciding = DecideCall(cluster.tasks, cluster.journal, cluster.decisions, announcer, 5)
        order = {"call_id": call["call_id"], "decision": "approve"} | decision
        await deciding.decide(DEVELOPER, task.id, order)
        await announcer.close()
        await publisher.close()
        return await cluster.ended(task)


async def test_the_last_good_result_is_kept_for_the_arguments_that_it_was_asked_with():
    desk, kept = Desk("cached"), Kept()
    async with desk.cluster.working(desk.service, tool_gateway=ToolGateway(last_results=kept)):
        edited = await desk.decided("Anna", value={"name": "Bela"})
    assert orjson.loads(edited.output or b"") == "all about Bela"
    assert kept.all == {b'{"name":"Bela"}': "all about Bela"}


async def test_a_fallback_answers_for_the_arguments_that_were_allowed():
    desk = Desk(lambda name: f"nothing about {name}")
    desk.is_away = True
    async with desk.cluster.working(desk.service):
        edited = await desk.decided("Anna", value={"name": "Bela"})
    assert orjson.loads(edited.output or b"") == "nothing about Bela"


async def pay(cents: int) -> str:
    raise ConnectionError(f"nobody knows whether {cents} were paid")


@pytest.mark.parametrize("is_reconciled", [False, True])
async def test_of_one_that_did_not_come_back_it_is_said_with_what_it_was_made(is_reconciled: bool):
    asked: list[Any] = []

    async def reconcile(started: StartedCall) -> Done | None:
        asked.append(started.arguments)
        return Done("found") if is_reconciled else None

    policy = ToolPolicy(approval="always", seconds=0.1, reconcile=reconcile)
    service, cluster = AgentService(calling(pay, [{"cents": 900}]), tools={"pay": policy}), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service, tool_gateway=SOON):
        (call,) = await waits(cluster, task)
        await decide(cluster, task, call.call_id, Verdict.APPROVE, {"cents": 700})
        await cluster.until(task, lambda found: found.attempt == 2 and found.status is TaskStatus.QUEUED)
        await cluster.released(task)
        if not is_reconciled:
            waiting = await cluster.until(task, lambda found: found.attempt == 3 and found.status is TaskStatus.WAITING)
            (call,) = await pending(cluster, task)
            assert call.arguments == {"cents": 700}
            assert 'started it with {"cents":700}' in call.detail["words"]
            assert 'started it with {"cents":700}' in (waiting.reason or "")
            await decide(cluster, task, call.call_id, Verdict.DONE, "found")
        task = await cluster.ended(task)
    assert answer(task) == [["success", "found"]] and asked == [{"cents": 700}]
    entries = await cluster.journal.read(task.principal, task.id)
    assert [entry.detail["arguments"] for entry in entries if entry.kind is EntryKind.TOOL] == [{"cents": 700}]
