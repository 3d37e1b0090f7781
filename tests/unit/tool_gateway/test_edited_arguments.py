"""A call that a person allowed with other arguments is a call with those, in everything that is kept of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from execution.cluster import Cluster
from pydantic_ai import Agent
from pydantic_ai.messages import ToolCallPart

from roadworthy import AgentService, Done, StartedCall, ToolPolicy, current_call
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

from .deciding import SOON, answer, calling, decide, pending, scripted, waits


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


def asked(cents: int, call_id: str) -> ToolCallPart:
    return ToolCallPart("transfer", {"order": "A", "cents": cents}, call_id)


def is_large(order: str, cents: int) -> bool:
    return cents > 2000


EDITED = {"order": "A", "cents": 1000}


@pytest.mark.parametrize("effect", ["once", "idempotent"])
@pytest.mark.parametrize("crashes", [False, True])
async def test_a_model_that_asks_for_what_a_person_made_of_its_call_means_that_call(effect: Any, crashes: bool):
    """Asked for twice in one reply, it means one more."""
    keys: list[str] = []

    async def transfer(order: str, cents: int) -> str:
        keys.append(current_call().idempotency_key)
        return f"transfer {len(set(keys))} of {cents}"

    async def look() -> str:
        return "nothing"

    replies = [[asked(5000, "c1")], [ToolCallPart("look", {}, "look")], [asked(1000, "c2"), asked(1000, "c3")]]
    agent = Agent(scripted(*replies))
    agent.tool_plain(transfer)
    agent.tool_plain(look)
    look_policy = ToolPolicy(effect="read", approval="always" if crashes else "never")
    service = AgentService(agent, tools={"transfer": ToolPolicy(effect=effect, approval=is_large), "look": look_policy})
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.submit(service)
        (call,) = await waits(cluster, task)
        await decide(cluster, task, call.call_id, Verdict.APPROVE, EDITED)
        if crashes:
            # What was done is known from the journal alone then.
            await cluster.until(task, lambda found: found.attempt == 2 and found.status is TaskStatus.WAITING)
            await decide(cluster, task, "t2:look", Verdict.APPROVE)
        task = await cluster.ended(task)
    first, _, again, once_more = answer(task)
    assert (first, again) == (["success", "transfer 1 of 1000"],) * 2
    assert once_more == ["success", "transfer 2 of 1000"]
    assert keys[0] != keys[-1] and len(set(keys)) == 2 and len(keys) == (2 if effect == "once" else 3)


async def test_a_call_beside_it_in_the_same_reply_has_a_key_of_its_own():
    keys: list[str] = []

    async def transfer(order: str, cents: int) -> str:
        keys.append(current_call().idempotency_key)
        return "done"

    agent = Agent(scripted([asked(5000, "c1"), asked(1000, "c2")]))
    agent.tool_plain(transfer)
    service = AgentService(agent, tools={"transfer": ToolPolicy(effect="idempotent", approval=is_large)})
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.submit(service)
        (call,) = await waits(cluster, task)
        await decide(cluster, task, call.call_id, Verdict.APPROVE, EDITED)
        await cluster.ended(task)
    assert len(set(keys)) == len(keys) == 2
