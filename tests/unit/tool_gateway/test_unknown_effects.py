"""Calls that must happen only once, and that were started and did not come back."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ToolCallPart

from roadworthy import AgentService, Done, NotDone, StartedCall, ToolPolicy, current_call
from roadworthy.domain.decision import Verdict
from roadworthy.domain.errors import ToolCallFailed
from roadworthy.domain.event import EventKind
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.task import TaskStatus
from roadworthy.frameworks.function import TaskContext
from unit.execution.cluster import Cluster

from .deciding import SOON, answer, calling, decide, pending, results, scripted, waits

ONCE = ToolPolicy(effect="once", seconds=0.2)


class Desk:
    """A service whose effects are counted, and that fails after them as its item says."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.refused: list[str] = []
        self.entered = asyncio.Event()

    async def pay(self, item: str) -> str:
        self.keys.append(current_call().idempotency_key)
        self.entered.set()
        if len(self.keys) == 1:
            match item:
                case "hanging":
                    await asyncio.Event().wait()
                case "raising":
                    raise RuntimeError("the printer is out of paper")
                case "exiting":
                    raise SystemExit(3)
                case "disconnecting":
                    raise ConnectionResetError("gone")
                case "refused" if not self.refused:
                    self.refused.append(self.keys.pop())
                    raise NotDone("the account is closed")
                case _:
                    pass
        return f"paid {item}"


@pytest.fixture
def desk() -> Desk:
    return Desk()


def pay_of(desk: Desk) -> Any:
    async def pay(item: str) -> str:
        return await desk.pay(item)

    return pay


def by_function(desk: Desk, *items: str) -> Any:
    pay = pay_of(desk)

    async def reply(ctx: TaskContext, message: str) -> Any:
        told: list[Any] = []
        for item in items:
            try:
                told.append(["success", await ctx.tool(pay, item=item)])
            except (ToolCallFailed, NotDone) as error:
                told.append(["failed", str(error)])
        return told

    return reply


def by_model(desk: Desk, *items: str) -> Any:
    return calling(pay_of(desk), *([{"item": item}] for item in items))


both = pytest.mark.parametrize("agent_of", [by_function, by_model])


@both
@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("raising", "raised RuntimeError: the printer is out of paper"),
        ("hanging", "did not come back within 0.2 s"),
        ("exiting", "raised SystemExit: 3"),
        ("disconnecting", "ConnectionResetError: gone"),
    ],
)
async def test_whatever_it_raises_a_person_says_whether_it_happened(desk: Desk, agent_of: Any, item: str, said: str):
    service, cluster = AgentService(agent_of(desk, item), tools={"pay": ONCE}), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (call,) = await waits(cluster, task)
        assert (call.about, call.tool, call.arguments, call.attempt) == ("effect", "pay", {"item": item}, 1)
        assert said in call.detail["error"] and call.detail["seconds"] == 0.2
        assert said in ((await cluster.find(task)).reason or "")
        await decide(cluster, task, call.call_id, Verdict.DONE, "receipt 7", note="I looked")
        task = await cluster.ended(task)
    assert answer(task) == [["success", "receipt 7"]]
    assert len(desk.keys) == 1 and not await pending(cluster, task)
    (result,) = [each async for each in results(cluster, task)]
    assert result["outcome"] == "done" and result["decision"]["note"] == "I looked"
    asked = [event.data["about"] for event in await cluster.events(task) if event.kind is EventKind.APPROVAL]
    assert asked == ["effect"]


@both
async def test_a_person_says_that_it_did_not_happen_and_asking_again_has_the_same_key(desk: Desk, agent_of: Any):
    service, cluster = AgentService(agent_of(desk, "raising", "raising"), tools={"pay": ONCE}), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (call,) = await waits(cluster, task)
        await decide(cluster, task, call.call_id, Verdict.NOT_DONE, note="no such payment")
        task = await cluster.ended(task)
    assert answer(task) == [["failed", "pay was not done: no such payment"], ["success", "paid raising"]]
    assert len(desk.keys) == 2
    # A function that calls twice in a row may mean it twice; a model that asks again for the same means the same.
    assert len(set(desk.keys)) == (1 if agent_of is by_model else 2)


@both
async def test_a_tool_that_says_it_did_not_happen_is_believed(desk: Desk, agent_of: Any):
    service, cluster = AgentService(agent_of(desk, "refused", "refused"), tools={"pay": ONCE}), Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert answer(task) == [["failed", "pay was not done: the account is closed"], ["success", "paid refused"]]
    assert (desk.refused == desk.keys) is (agent_of is by_model)
    assert [each["outcome"] async for each in results(cluster, task)] == ["not_done", "done"]
    assert task.failures == 0


async def test_a_model_that_asks_again_after_a_time_limit_meets_the_first_effect(desk: Desk):
    service = AgentService(by_model(desk, "hanging", "hanging", "other"), tools={"pay": ONCE})
    cluster = Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (call,) = await waits(cluster, task)
        await decide(cluster, task, call.call_id, Verdict.DONE, "it is on the statement")
        task = await cluster.ended(task)
    assert answer(task) == [["success", "it is on the statement"]] * 2 + [["success", "paid other"]]
    assert len(desk.keys) == 2 and len(set(desk.keys)) == 2
    entries = await cluster.journal.read(task.principal, task.id)
    assert [entry.detail.get("same_as") for entry in entries if entry.kind is EntryKind.TOOL] == [None, "t1:c1.1", None]


async def test_equal_calls_of_one_reply_are_each_made_and_so_are_those_of_a_tool_that_may_repeat(desk: Desk):
    agent = calling(pay_of(desk), [{"item": "tea"}, {"item": "tea"}], [{"item": "tea"}])
    for policy, effects in ((ONCE, 2), (ToolPolicy(repeatable=True), 3)):
        desk.keys.clear()
        service, cluster = AgentService(agent, tools={"pay": policy}), Cluster()
        async with cluster.working(service):
            assert answer(await cluster.ended(await cluster.submit(service))) == [["success", "paid tea"]] * 3
        assert len(desk.keys) == len(set(desk.keys)) == effects


async def test_an_idempotent_tool_that_is_asked_again_sees_the_same_key(desk: Desk):
    service = AgentService(by_model(desk, "tea", "tea"), tools={"pay": ToolPolicy(effect="idempotent")})
    cluster = Cluster()
    async with cluster.working(service):
        await cluster.ended(await cluster.submit(service))
    assert len(desk.keys) == 2 and len(set(desk.keys)) == 1


# Finding out without a person


def finding_out(desk: Desk, said: Any, asked: list[StartedCall]) -> ToolPolicy:
    async def reconcile(started: StartedCall) -> Any:
        asked.append(started)
        if isinstance(said, Exception) and not isinstance(said, NotDone):
            raise said
        if said == "hang":
            await asyncio.Event().wait()
        if isinstance(said, NotDone) and desk.entered.is_set():
            raise said
        return said

    return ToolPolicy(effect="once", seconds=0.1, reconcile=reconcile)


@both
@pytest.mark.parametrize(
    ("said", "told"),
    [
        (Done("receipt 8"), ["success", "receipt 8"]),
        (NotDone("no such payment"), ["failed", "pay was not done: no such payment"]),
    ],
)
async def test_a_reconcile_function_is_asked_once_the_call_can_no_longer_be_running(
    desk: Desk, agent_of: Any, said: Any, told: Any
):
    asked: list[StartedCall] = []
    service = AgentService(agent_of(desk, "raising"), tools={"pay": finding_out(desk, said, asked)})
    cluster = Cluster()
    submitted = await cluster.submit(service)
    async with cluster.working(service, tool_gateway=SOON):
        task = await cluster.until(submitted, lambda found: found.attempt == 1 and found.status is TaskStatus.QUEUED)
        assert "its reconcile function is asked in 0 s" in (task.reason or "") and not asked
        (call,) = await pending(cluster, task)
        assert "the printer is out of paper" in call.detail["error"]
        await cluster.released(task)
        task = await cluster.ended(task)
    assert answer(task) == [told]
    (started,) = asked
    assert started.idempotency_key == desk.keys[0] and len(desk.keys) == 1
    assert (started.tool, started.arguments, started.attempt) == ("pay", {"item": "raising"}, 1)
    entries = await cluster.journal.read(task.principal, task.id)
    (begun,) = [entry for entry in entries if entry.kind is EntryKind.STARTED]
    assert task.changes[-2].at >= begun.at + 0.1 + 0.2
    assert task.failures == 0


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (None, "its reconcile function could not tell"),
        (ConnectionError("away"), "its reconcile function failed (ConnectionError: away)"),
        ("hang", "its reconcile function did not answer within 0.1 s"),
        ("yes", "its reconcile function returned str, not Done(…), NotDone(…) or None"),
        (Done(object()), "its reconcile function returned something that can't be kept"),
    ],
)
async def test_where_it_can_not_tell_a_person_is_asked(desk: Desk, said: Any, words: str):
    asked: list[StartedCall] = []
    service = AgentService(by_model(desk, "raising"), tools={"pay": finding_out(desk, said, asked)})
    cluster = Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service, tool_gateway=SOON):
        await cluster.until(task, lambda found: found.attempt == 1 and found.status is TaskStatus.QUEUED)
        await cluster.released(task)
        (call,) = await waits(cluster, task)
        assert words in call.detail["words"]
        assert "RuntimeError: the printer is out of paper" in call.detail["error"]
        (asked_about,) = [each for each in await cluster.events(task) if each.kind is EventKind.APPROVAL]
        assert asked_about.data["error"] == call.detail["error"]
        await decide(cluster, task, call.call_id, Verdict.DONE)
        task = await cluster.ended(task)
    assert answer(task) == [["success", None]] and len(desk.keys) == len(asked) == 1


# A worker that is lost in the middle


@pytest.mark.parametrize("is_reconciled", [False, True])
async def test_after_a_lost_worker_it_is_found_out_or_asked(desk: Desk, is_reconciled: bool):
    asked: list[StartedCall] = []
    policy = finding_out(desk, Done("receipt 9"), asked) if is_reconciled else ONCE
    policy = ToolPolicy(effect="once", seconds=60 if not is_reconciled else 0.5, reconcile=policy.reconcile)
    service, cluster = AgentService(by_model(desk, "hanging"), tools={"pay": policy}), Cluster()
    first = asyncio.create_task(cluster.worker(service, tool_gateway=SOON).run())
    task = await cluster.submit(service)
    await desk.entered.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await cluster.upkeep.rescue_expired_leases(3, 10)
    async with cluster.working(service, tool_gateway=SOON):
        if is_reconciled:
            await cluster.until(task, lambda found: found.attempt == 2 and found.status is TaskStatus.QUEUED)
            await cluster.released(task)
        else:
            (call,) = await waits(cluster, task)
            assert (call.about, call.attempt) == ("effect", 1) and "attempt 1 started it" in call.detail["words"]
            await decide(cluster, task, call.call_id, Verdict.DONE, "receipt 9")
        task = await cluster.ended(task)
    assert answer(task) == [["success", "receipt 9"]] and len(desk.keys) == 1


async def test_an_allowed_call_that_does_not_come_back_is_asked_about_once_more(desk: Desk):
    policy = ToolPolicy(effect="once", seconds=0.2, approval="always")
    service, cluster = AgentService(by_model(desk, "raising"), tools={"pay": policy}), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (call,) = await waits(cluster, task)
        await decide(cluster, task, call.call_id, Verdict.APPROVE)
        await cluster.until(task, lambda found: found.attempt == 2 and found.status is TaskStatus.WAITING)
        (call,) = await pending(cluster, task)
        assert call.about == "effect"
        await decide(cluster, task, call.call_id, Verdict.DONE, "receipt 7")
        task = await cluster.ended(task)
    assert answer(task) == [["success", "receipt 7"]] and len(desk.keys) == 1


async def test_of_several_that_wait_what_can_be_found_out_comes_first(desk: Desk):
    asked: list[StartedCall] = []
    agent = Agent(scripted([ToolCallPart("refund", {}), ToolCallPart("pay", {"item": "raising"})]))
    agent.tool_plain(pay_of(desk))

    @agent.tool_plain
    async def refund() -> str:
        return "refunded"

    policies = {"pay": finding_out(desk, Done("found"), asked), "refund": ToolPolicy(approval="always")}
    service, cluster = AgentService(agent, tools=policies), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service, tool_gateway=SOON):
        await cluster.until(task, lambda found: found.attempt == 1 and found.status is TaskStatus.QUEUED)
        await cluster.released(task)
        (call,) = await waits(cluster, task)
        assert call.tool == "refund" and len(asked) == 1
        await decide(cluster, task, call.call_id, Verdict.APPROVE)
        task = await cluster.ended(task)
    assert answer(task) == [["success", "refunded"], ["success", "found"]]


async def test_a_failing_sibling_does_not_hide_what_is_unknown(desk: Desk):
    agent = Agent(scripted([ToolCallPart("broken", {}), ToolCallPart("pay", {"item": "raising"})]))
    agent.tool_plain(pay_of(desk))

    @agent.tool_plain
    async def broken() -> str:
        raise KeyError("order_id")

    service = AgentService(agent, tools={"pay": ONCE, "broken": ToolPolicy(effect="read")})
    cluster = Cluster()
    async with cluster.working(service):
        (call,) = await waits(cluster, await cluster.submit(service))
    assert call.tool == "pay"


async def test_a_worker_that_stood_still_right_before_the_call_does_not_make_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    from roadworthy.core.attempt import Attempt

    service, cluster = AgentService(by_model(desk, "tea"), tools={"pay": ONCE}), Cluster()
    record = Attempt.record
    stood_still = Counter[str]()

    async def slow(self: Attempt, draft: Any) -> None:
        await record(self, draft)
        if draft.kind is EntryKind.STARTED:
            stood_still["n"] += 1
            await asyncio.sleep(0.25)

    monkeypatch.setattr(Attempt, "record", slow)
    async with cluster.working(service, tool_gateway=SOON):
        task = await cluster.ended(await cluster.submit(service))
    ((outcome, words),) = answer(task)
    assert outcome == "failed" and words.startswith("pay was not done: its worker stood still")
    assert stood_still == {"n": 1} and not desk.keys
