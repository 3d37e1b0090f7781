import asyncio
from collections import Counter

import orjson
import pytest
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from roadworthy import AgentService, Limits, ToolPolicy
from roadworthy.domain.event import EventKind
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import TaskStatus

from .cluster import Cluster

READ = ToolPolicy(effect="read")


def turn_of(messages: list[ModelMessage]) -> int:
    return sum(isinstance(message, ModelResponse) for message in messages)


def scripted(*replies: list) -> tuple[FunctionModel, Counter]:
    """A model that gives these replies in turn, and the count of how often each was asked for."""
    asked: Counter = Counter()

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        asked[turn_of(messages)] += 1
        return ModelResponse(parts=replies[turn_of(messages)])

    return FunctionModel(reply), asked


async def test_a_task_runs_its_agent_and_ends_succeeded():
    model, asked = scripted([ToolCallPart("find_order", {"order_id": "17"})], [TextPart("It is on its way.")])
    agent = Agent(model)

    @agent.tool_plain
    async def find_order(order_id: str) -> dict:
        return {"id": order_id, "state": "sent"}

    service = AgentService(agent, name="support", tools={"find_order": READ})
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert task.status is TaskStatus.SUCCEEDED
    assert orjson.loads(task.output or b"") == "It is on its way."
    assert (task.usage.model_calls, task.usage.tool_calls, task.usage.steps) == (2, 1, 2)
    assert asked == {0: 1, 1: 1}
    kinds = [event.kind for event in await cluster.events(task)]
    assert kinds == [
        EventKind.STATUS,
        EventKind.STATUS,
        EventKind.STEP,
        EventKind.TOOL_CALL,
        EventKind.TOOL_RESULT,
        EventKind.TEXT,
        EventKind.STEP,
        EventKind.DONE,
    ]


async def test_live_events_are_those_of_the_journal():
    model, _ = scripted([ToolCallPart("look", {})], [TextPart("done")])
    agent = Agent(model)

    @agent.tool_plain
    async def look() -> str:
        return "seen"

    service = AgentService(agent, tools={"look": READ})
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    live = [event for record in await cluster.event_log.read(task.id, 0) for event in record.events]
    rebuilt = [event for event in await cluster.events(task) if event.number >= live[0].number]
    assert [(e.number, e.kind) for e in live] == [(e.number, e.kind) for e in rebuilt]
    assert [e.data for e in live if e.kind is not EventKind.DONE] == [
        e.data for e in rebuilt if e.kind is not EventKind.DONE
    ]


async def test_another_worker_goes_on_from_the_journal():
    model, asked = scripted(
        [ToolCallPart("a", {}), ToolCallPart("b", {}), ToolCallPart("c", {})], [TextPart("all three")]
    )
    agent = Agent(model)
    calls: Counter = Counter()
    entered, hang = asyncio.Event(), asyncio.Event()

    async def tool(name: str) -> str:
        calls[name] += 1
        if name == "b" and calls["b"] == 1:
            entered.set()
            await hang.wait()
        return name

    agent.tool_plain(lambda: tool("a"), name="a")
    agent.tool_plain(lambda: tool("b"), name="b")
    agent.tool_plain(lambda: tool("c"), name="c")
    service = AgentService(agent, tools=dict.fromkeys("abc", READ))
    cluster = Cluster()
    first = asyncio.create_task(cluster.worker(service, lease_seconds=0.3).run())
    task = await cluster.submit(service)
    await entered.wait()
    await cluster.until(task, lambda found: found.journal_length == 4)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await cluster.upkeep.rescue_expired_leases(3, 10)
    async with cluster.working(service):
        task = await cluster.ended(task)
    assert task.status is TaskStatus.SUCCEEDED
    assert task.attempt == 2
    assert asked == {0: 1, 1: 1}
    assert calls == {"a": 1, "b": 2, "c": 1}


async def test_a_started_once_call_that_did_not_come_back_waits_for_a_person():
    model, _ = scripted([ToolCallPart("refund", {})], [TextPart("refunded")])
    agent = Agent(model)
    refunds = Counter()
    entered = asyncio.Event()

    @agent.tool_plain
    async def refund() -> str:
        refunds["n"] += 1
        entered.set()
        await asyncio.Event().wait()
        return "ok"

    service = AgentService(agent)
    cluster = Cluster()
    first = asyncio.create_task(cluster.worker(service).run())
    task = await cluster.submit(service)
    await entered.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await cluster.upkeep.rescue_expired_leases(3, 10)
    async with cluster.working(service):
        task = await cluster.reaches(task, TaskStatus.WAITING)
    assert refunds["n"] == 1
    assert "'refund'" in (task.reason or "")


async def test_a_tool_that_raises_ends_the_task_and_says_which():
    model, _ = scripted([ToolCallPart("broken", {}), ToolCallPart("slow", {})], [TextPart("never")])
    agent = Agent(model)
    finished = Counter()

    @agent.tool_plain
    async def broken() -> str:
        raise KeyError("order_id")

    @agent.tool_plain
    async def slow() -> str:
        await asyncio.sleep(0.05)
        finished["slow"] += 1
        return "ok"

    service = AgentService(agent, tools={"broken": READ, "slow": READ})
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert task.status is TaskStatus.DEAD
    assert "'broken'" in (task.reason or "") and "KeyError" in (task.reason or "")
    assert finished["slow"] == 1, "its sibling was cancelled in the middle"
    assert "t1" in "".join(entry.key for entry in await cluster.journal.read(DEVELOPER, task.id))


async def test_what_a_tool_told_the_model_to_retry_is_replayed():
    seen = []

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        turn = turn_of(messages)
        seen.append([p.content for m in messages for p in m.parts if isinstance(p, ToolReturnPart)])
        return ModelResponse(parts=[TextPart("ok")] if turn == 2 else [ToolCallPart("pick", {"n": turn})])

    agent = Agent(FunctionModel(reply))
    runs = Counter()

    @agent.tool_plain(retries=2)
    async def pick(n: int) -> str:
        runs[n] += 1
        if n == 0:
            raise ModelRetry("take another one")
        return "fine"

    service = AgentService(agent, tools={"pick": READ})
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert task.status is TaskStatus.SUCCEEDED, task.reason
    assert runs == {0: 1, 1: 1}
    outcomes = [e.detail["outcome"] for e in await cluster.journal.read(DEVELOPER, task.id) if e.key.startswith("t")]
    assert outcomes == ["failed", "done"]


async def test_the_session_remembers():
    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart(f"{turn_of(messages)} replies before")])

    service = AgentService(Agent(FunctionModel(reply)))
    cluster = Cluster()
    async with cluster.working(service):
        first = await cluster.ended(await cluster.submit(service))
        second = await cluster.submit(service, session_id=first.session_id, opens_session=False)
        second = await cluster.ended(second)
    assert orjson.loads(second.output or b"") == "1 replies before"


async def test_cancel_keeps_the_text_so_far_and_wins():
    started = asyncio.Event()

    async def stream(messages: list[ModelMessage], info: AgentInfo):
        yield "half an "
        started.set()
        await asyncio.Event().wait()
        yield "answer"

    service = AgentService(Agent(FunctionModel(stream_function=stream)))
    cluster = Cluster()
    async with cluster.working(service, lease_seconds=0.6):
        task = await cluster.submit(service)
        await started.wait()
        await cluster.tasks.cancel(DEVELOPER, task.id)
        task = await cluster.ended(task)
    assert task.status is TaskStatus.CANCELLED
    assert orjson.loads(task.output or b"") == "half an "


@pytest.mark.parametrize("limit", [{"steps": 2}, {"total_seconds": 0.2}])
async def test_out_of_steps_or_time_the_task_ends_partial(limit: dict):
    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart("I look"), ToolCallPart("look", {})])

    agent = Agent(FunctionModel(reply))

    @agent.tool_plain
    async def look() -> str:
        await asyncio.sleep(0.02)
        return "nothing"

    service = AgentService(agent, tools={"look": READ}, limits=Limits(**limit))
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert task.status is TaskStatus.PARTIAL
    assert orjson.loads(task.output or b"") == "I look"
    assert "used up" in (task.reason or "")


async def test_a_draining_worker_hands_over_at_a_journal_boundary():
    model, asked = scripted([ToolCallPart("look", {})], [TextPart("done")])
    agent = Agent(model)
    entered, go_on = asyncio.Event(), asyncio.Event()
    looks = Counter()

    @agent.tool_plain
    async def look() -> str:
        looks["n"] += 1
        entered.set()
        await go_on.wait()
        return "seen"

    service = AgentService(agent, tools={"look": READ})
    cluster = Cluster()
    worker = cluster.worker(service)
    running = asyncio.create_task(worker.run())
    task = await cluster.submit(service)
    await entered.wait()
    worker.drain()
    go_on.set()
    await running
    handed_over = await cluster.find(task)
    assert (handed_over.status, handed_over.failures) == (TaskStatus.QUEUED, 0)
    async with cluster.working(service):
        task = await cluster.ended(task)
    assert task.status is TaskStatus.SUCCEEDED
    assert (looks["n"], dict(asked)) == (1, {0: 1, 1: 1})


async def test_changed_code_does_not_answer_an_old_journal():
    asked_again = asyncio.Event()

    async def stream(messages: list[ModelMessage], info: AgentInfo):
        if turn_of(messages):
            asked_again.set()
            await asyncio.Event().wait()
        yield {0: DeltaToolCall(name="look", json_args='{"at": "x"}', tool_call_id="c1")}

    def service(look: object) -> AgentService:
        agent = Agent(FunctionModel(stream_function=stream))
        agent.tool_plain(look, name="look")
        return AgentService(agent, tools={"look": READ})

    async def look(at: str) -> str:
        return "seen"

    async def look_elsewhere(at: str, there: str = "y") -> str:
        return "seen"

    before, after = service(look), service(look_elsewhere)
    cluster = Cluster()
    first = asyncio.create_task(cluster.worker(before).run())
    task = await cluster.submit(before)
    await asked_again.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await cluster.upkeep.rescue_expired_leases(3, 10)
    async with cluster.working(after):
        task = await cluster.reaches(task, TaskStatus.WAITING)
    assert "other code" in (task.reason or "")
