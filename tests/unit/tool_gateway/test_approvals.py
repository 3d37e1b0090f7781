"""Calls that a person has to allow, or to answer."""

import asyncio
from collections import Counter
from typing import Any

import orjson
import pytest
from pydantic_ai import Agent, ApprovalRequired, CallDeferred, RunContext
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import ExternalToolset

from roadworthy import AgentService, Limits, ToolPolicy
from roadworthy.domain.decision import Verdict
from roadworthy.domain.effect import NotDone
from roadworthy.domain.errors import ToolCallFailed
from roadworthy.domain.event import EventKind
from roadworthy.domain.journal import EntryKind, JournalEntry
from roadworthy.domain.task import TaskStatus
from roadworthy.frameworks import runner_for
from roadworthy.frameworks.function import TaskContext
from roadworthy.frameworks.pydantic_ai.gated_model import RESPONSE
from roadworthy.frameworks.pydantic_ai.runner import NOT_ALLOWED, NOT_FINISHED
from unit.execution.cluster import Cluster

from .deciding import answer, calling, decide, pending, results, scripted, waits

ALWAYS = ToolPolicy(approval="always")
ARGUMENTS = {"order": "17", "amount": 10}


@pytest.fixture
def refunds() -> Counter[tuple[str, int]]:
    return Counter()


@pytest.fixture
def refund(refunds: Counter[tuple[str, int]]) -> Any:
    async def refund(order: str, amount: int = 10) -> str:
        refunds[order, amount] += 1
        return f"refunded {amount} for {order}"

    return refund


def by_function(refund: Any) -> Any:
    async def reply(ctx: TaskContext, message: str) -> Any:
        try:
            return [["success", await ctx.tool(refund, order="17", amount=10)]]
        except (ToolCallFailed, NotDone) as error:
            return [[type(error).__name__, str(error)]]

    return reply


def by_model(refund: Any) -> Any:
    return calling(refund, [{"order": "17", "amount": 10}])


both = pytest.mark.parametrize("agent_of", [by_function, by_model])


@both
async def test_a_call_that_is_allowed_is_made_once_and_says_who_allowed_it(refund: Any, refunds: Any, agent_of: Any):
    service, cluster = AgentService(agent_of(refund), tools={"refund": ALWAYS}), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (call,) = await waits(cluster, task)
        assert not refunds
    assert (call.about, call.tool, call.arguments) == ("approval", "refund", ARGUMENTS)
    assert (call.attempt, call.detail["words"]) == (1, "its policy has a person allow every call")
    # By another worker, as after a deploy.
    async with cluster.working(service):
        await decide(cluster, task, call.call_id, Verdict.APPROVE, note="he is right")
        task = await cluster.ended(task)
    assert answer(task) == [["success", "refunded 10 for 17"]]
    assert refunds == {("17", 10): 1}
    assert task.failures == 0
    (result,) = [each async for each in results(cluster, task)]
    assert result["decision"]["verdict"] == "approve" and result["decision"]["note"] == "he is right"
    assert result["decision"]["by"] == task.principal.user
    (asked,) = [event.data for event in await cluster.events(task) if event.kind is EventKind.APPROVAL]
    assert (asked["call_id"], asked["about"], asked["arguments"]) == (call.call_id, "approval", ARGUMENTS)


async def test_a_function_that_does_not_catch_a_denial_ends_with_words_that_tell_it_to(refund: Any, refunds: Any):
    async def reply(ctx: Any, message: str) -> str:
        return await ctx.tool(refund, **ARGUMENTS)

    service, cluster = AgentService(reply, tools={"refund": ALWAYS}), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (call,) = await waits(cluster, task)
        await decide(cluster, task, call.call_id, Verdict.DENY, note="too old")
        task = await cluster.ended(task)
    assert task.error is not None and orjson.loads(task.error)["code"] == "tool_call_denied"
    assert "catch ToolCallFailed" in (task.reason or "") and not refunds


@both
async def test_a_call_that_is_denied_is_not_made_and_the_reason_is_told(refund: Any, refunds: Any, agent_of: Any):
    service, cluster = AgentService(agent_of(refund), tools={"refund": ALWAYS}), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (call,) = await waits(cluster, task)
        await decide(cluster, task, call.call_id, Verdict.DENY, note="the order is too old")
        task = await cluster.ended(task)
    ((outcome, words),) = answer(task)
    assert outcome in ("denied", "ToolCallFailed") and words == "refund: not allowed: the order is too old"
    assert not refunds and not await pending(cluster, task)


@both
async def test_it_may_be_allowed_with_other_arguments(refund: Any, refunds: Any, agent_of: Any):
    service, cluster = AgentService(agent_of(refund), tools={"refund": ALWAYS}), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (call,) = await waits(cluster, task)
        await decide(cluster, task, call.call_id, Verdict.APPROVE, {"order": "17", "amount": 5})
        task = await cluster.ended(task)
    assert answer(task) == [["success", "refunded 5 for 17"]]
    assert refunds == {("17", 5): 1}
    (entry,) = [entry for entry in await cluster.journal.read(task.principal, task.id) if entry.kind == "tool"]
    assert entry.detail["arguments"] == {"order": "17", "amount": 5}


@both
async def test_arguments_that_the_tool_does_not_take_are_told_and_nothing_is_done(
    refund: Any, refunds: Any, agent_of: Any
):
    service, cluster = AgentService(agent_of(refund), tools={"refund": ALWAYS}), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (call,) = await waits(cluster, task)
        await decide(cluster, task, call.call_id, Verdict.APPROVE, {"price": 5})
        task = await cluster.ended(task)
    ((outcome, words),) = answer(task)
    assert outcome in ("failed", "ToolCallFailed")
    assert words.startswith("refund was allowed with other arguments, which it does not take: ") and "order" in words
    assert not refunds


async def test_several_calls_are_asked_about_at_once_and_each_is_done_as_it_is_decided(refund: Any, refunds: Any):
    agent = calling(refund, [{"order": "1"}, {"order": "2"}, {"order": "3"}])
    service, cluster = AgentService(agent, tools={"refund": ALWAYS}), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        first, second, third = await waits(cluster, task)
        await decide(cluster, task, second.call_id, Verdict.APPROVE)
        await cluster.until(task, lambda found: refunds["2", 10] == 1 and found.status is TaskStatus.WAITING)
        assert [call.call_id for call in await pending(cluster, task)] == [first.call_id, third.call_id]
        await decide(cluster, task, third.call_id, Verdict.DENY)
        await cluster.until(task, lambda found: found.attempt == 3 and found.status is TaskStatus.WAITING)
        await decide(cluster, task, first.call_id, Verdict.APPROVE)
        task = await cluster.ended(task)
    assert [outcome for outcome, _ in answer(task)] == ["success", "success", "denied"]
    assert refunds == {("1", 10): 1, ("2", 10): 1}
    asked = [event for event in await cluster.events(task) if event.kind is EventKind.APPROVAL]
    assert len(asked) == 3


async def test_siblings_of_a_call_that_waits_come_to_their_ends_first(refund: Any):
    looked = Counter[str]()
    agent = Agent(scripted([ToolCallPart("refund", {"order": "1"}), ToolCallPart("look_up", {})]))
    agent.tool_plain(refund)

    @agent.tool_plain
    async def look_up() -> str:
        await asyncio.sleep(0.03)
        looked["up"] += 1
        return "found"

    service = AgentService(agent, tools={"refund": ALWAYS, "look_up": ToolPolicy(effect="read")})
    cluster = Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (call,) = await waits(cluster, task)
        await decide(cluster, task, call.call_id, Verdict.APPROVE)
        await cluster.ended(task)
    assert looked == {"up": 1}


def above_50(order: str, amount: int = 10) -> bool:
    return amount > 50


async def late(**_: Any) -> bool:
    await asyncio.Event().wait()
    return False


async def said_no(**_: Any) -> bool:
    return False


def nothing_said(**_: Any) -> None:
    return None


def broken(order: str) -> bool:
    raise SystemExit("no")


@pytest.mark.parametrize(
    ("approval", "amount", "words"),
    [
        (above_50, 10, None),
        (above_50, 60, "its policy has a person allow calls with these arguments"),
        (said_no, 60, None),
        (nothing_said, 10, "its policy has a person allow calls with these arguments"),
        (broken, 10, "its approval function failed (TypeError: "),
        (late, 10, "its approval function did not say within 0.05 s"),
    ],
)
async def test_a_function_of_the_arguments_says_who_is_asked_and_in_doubt_a_person_is(
    refund: Any, refunds: Any, approval: Any, amount: int, words: str | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("roadworthy.core.tool_gateway.approval.APPROVAL_SECONDS", 0.05)
    service = AgentService(
        calling(refund, [{"order": "17", "amount": amount}]), tools={"refund": ToolPolicy(approval=approval)}
    )
    cluster = Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        if words is None:
            await cluster.ended(task)
            assert refunds == {("17", amount): 1}
        else:
            (call,) = await waits(cluster, task)
            assert call.detail["words"].startswith(words) and not refunds


async def test_an_agent_that_goes_on_as_if_it_had_not_been_told_waits_all_the_same(refund: Any, refunds: Any):
    reached = Counter[str]()

    async def reply(ctx: TaskContext, message: str) -> str:
        try:
            await ctx.tool(refund, order="17")
        except Exception:
            reached["after"] += 1
        if message == "and calls another":
            try:
                await ctx.tool(refund, order="18")
            except Exception:
                reached["another"] += 1
        return "never mind"

    service, cluster = AgentService(reply, tools={"refund": ALWAYS}), Cluster()
    async with cluster.working(service):
        for words in ("ends", "and calls another"):
            (call,) = await waits(cluster, await cluster.submit(service, words))
            assert call.arguments == {"order": "17"}
    assert reached == {"after": 2, "another": 1} and not refunds


async def test_a_task_that_waits_can_be_cancelled(refund: Any):
    service = AgentService(by_model(refund), tools={"refund": ALWAYS}, limits=Limits(waiting_seconds=60))
    cluster = Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        await waits(cluster, task)
        await cluster.tasks.cancel(task.principal, task.id)
        task = await cluster.ended(task)
    assert task.status is TaskStatus.CANCELLED


def test_the_turn_of_a_task_that_ended_says_of_each_call_whether_it_was_made(refund: Any):
    runner = runner_for(AgentService(by_model(refund), tools={"refund": ALWAYS}))
    made_by = {"step": 1, "tool": "refund", "effect": "once"}
    reply = ModelResponse([ToolCallPart("refund", {}, call_id) for call_id in "abc"])
    entries = [
        JournalEntry(0, "m1", EntryKind.MODEL, 1, RESPONSE.dump_json(reply), {"step": 1}, 0),
        JournalEntry(1, "w1:a", EntryKind.ASKED, 1, b"", made_by | {"call_id": "a", "about": "approval"}, 0),
        JournalEntry(2, "w1:b", EntryKind.ASKED, 1, b"", made_by | {"call_id": "b", "about": "approval"}, 0),
        JournalEntry(3, "s1:b", EntryKind.STARTED, 2, b"", made_by | {"call_id": "b"}, 0),
        JournalEntry(4, "t1:c", EntryKind.TOOL, 2, b"", made_by | {"call_id": "c", "result": "refunded"}, 0),
    ]
    turn = orjson.loads(runner.unfinished_turn("refund it", entries).payload)
    said = [part["content"] for part in turn[2]["parts"]]
    assert said == [NOT_ALLOWED, NOT_FINISHED, "refunded"]


# What pydantic-ai itself has people asked about


async def test_a_tool_that_requires_approval_and_one_that_asks_for_it_wait_for_a_person():
    done = Counter[str]()
    agent = Agent(scripted([ToolCallPart("delete", {"path": "a"}), ToolCallPart("move", {"path": "b"})]), retries=3)

    @agent.tool_plain(requires_approval=True)
    async def delete(path: str) -> str:
        done[f"delete {path}"] += 1
        return "deleted"

    @agent.tool
    async def move(ctx: RunContext[None], path: str) -> str:
        if not ctx.tool_call_approved:
            raise ApprovalRequired(metadata={"why": "it is far"})
        done[f"move {path}"] += 1
        return "moved"

    service, cluster = AgentService(agent), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (move_call,) = await waits(cluster, task)
        assert (move_call.tool, move_call.about) == ("move", "approval") and "it is far" in move_call.detail["words"]
        await decide(cluster, task, move_call.call_id, Verdict.APPROVE)
        await cluster.until(task, lambda found: found.attempt == 2 and found.status is TaskStatus.WAITING)
        calls = {call.tool: call for call in await pending(cluster, task)}
        await decide(cluster, task, calls["delete"].call_id, Verdict.APPROVE, {"path": "c"})
        task = await cluster.ended(task)
    assert sorted(answer(task)) == [["success", "deleted"], ["success", "moved"]]
    assert done == {"delete c": 1, "move b": 1}
    assert not await pending(cluster, task)


async def test_a_tool_that_requires_approval_and_is_denied_is_not_called():
    agent = Agent(scripted([ToolCallPart("delete", {})]))

    @agent.tool_plain(requires_approval=True)
    async def delete() -> str:
        raise AssertionError("it was denied")

    service, cluster = AgentService(agent), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (call,) = await waits(cluster, task)
        await decide(cluster, task, call.call_id, Verdict.DENY)
        assert answer(await cluster.ended(task)) == [["denied", "delete: not allowed"]]


async def test_a_call_that_others_answer_waits_for_that_answer():
    agent = Agent(
        scripted([ToolCallPart("ask_the_boss", {"what": "x"}), ToolCallPart("measure", {})]),
        toolsets=[ExternalToolset([ToolDefinition(name="ask_the_boss")])],
    )

    @agent.tool_plain
    async def measure() -> str:
        raise CallDeferred

    service, cluster = AgentService(agent), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (measured,) = await waits(cluster, task)
        assert (measured.tool, measured.about) == ("measure", "input")
        await decide(cluster, task, measured.call_id, Verdict.DONE, {"metres": 3})
        await cluster.until(task, lambda found: found.attempt == 2 and found.status is TaskStatus.WAITING)
        (boss,) = await pending(cluster, task)
        assert (boss.tool, boss.about, boss.arguments) == ("ask_the_boss", "input", {"what": "x"})
        await decide(cluster, task, boss.call_id, Verdict.NOT_DONE, note="he is away")
        task = await cluster.ended(task)
    assert sorted(answer(task)) == [
        ["failed", "ask_the_boss was not done: he is away"],
        ["success", {"metres": 3}],
    ]


async def test_an_agent_within_a_tool_waits_too(refund: Any, refunds: Any):
    inner = by_model(refund)
    outer = Agent(scripted([ToolCallPart("delegate", {}), TextPart("")]))

    @outer.tool_plain
    async def delegate() -> str:
        return (await inner.run("refund it")).output

    service = AgentService(outer, tools={"delegate": ToolPolicy(effect="read"), "refund": ALWAYS})
    cluster = Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (call,) = await waits(cluster, task)
        assert "/a1/" in call.call_id
        await decide(cluster, task, call.call_id, Verdict.APPROVE)
        await cluster.ended(task)
    assert refunds == {("17", 10): 1}


async def test_a_tool_that_may_not_run_again_is_unknown_where_the_agent_that_it_runs_has_to_wait(refund: Any):
    inner = by_model(refund)
    outer = Agent(scripted([ToolCallPart("delegate", {}, "x")]))

    @outer.tool_plain
    async def delegate() -> str:
        return (await inner.run("refund it")).output

    service, cluster = AgentService(outer, tools={"refund": ALWAYS}), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        calls = {call.tool: call for call in await waits(cluster, task)}
    assert (calls["delegate"].about, calls["refund"].about) == ("effect", "approval")
    assert 'declare effect="read"' in calls["delegate"].detail["error"]


@pytest.mark.parametrize("call_id", ["a/b", "call/1/x", "g2/t1:x", "/"])
async def test_a_call_whose_id_holds_slashes_is_decided_like_any_other(call_id: str):
    refunds: list[str] = []

    async def refund(order: str) -> str:
        refunds.append(order)
        return f"refunded {order}"

    agent = Agent(scripted([ToolCallPart("refund", {"order": "17"}, call_id)]))
    agent.tool_plain(refund)
    service, cluster = AgentService(agent, tools={"refund": ALWAYS}), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service):
        (call,) = await waits(cluster, task)
        assert call.call_id == f"t1:{call_id}"
        await decide(cluster, task, call.call_id, Verdict.APPROVE)
        task = await cluster.ended(task)
    assert answer(task) == [["success", "refunded 17"]] and refunds == ["17"]
