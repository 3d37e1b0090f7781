"""A secret that the worker knows is read by nobody: not in results, events, reasons, answers or the session."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from roadworthy import AgentService, ToolPolicy
from roadworthy.core.redactor import Redactor
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.domain.event import Event, EventKind
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.frameworks.function import TaskContext
from unit.execution.cluster import Cluster

from .deciding import answer, calling

SECRET = 'sk-4711-"geheim"'
READ = ToolPolicy(effect="read")


async def run(agent: Any, policy: ToolPolicy = READ) -> tuple[Cluster, Task]:
    service, cluster = AgentService(agent, tools={"look": policy}), Cluster()
    async with cluster.working(service, tool_gateway=ToolGateway(redactor=Redactor([SECRET]))):
        return cluster, await cluster.ended(await cluster.submit(service))


async def everything_told(cluster: Cluster, task: Task) -> str:
    """To whoever follows the task live, comes later, or reads the task and its session."""
    live = [event for record in cluster.broker.records[task.id] for event in record.events]
    rebuilt = await cluster.events(task)
    found = await cluster.find(task)
    turns = await cluster.sessions.history(DEVELOPER, task.session_id, 1)
    entries = await cluster.journal.read(DEVELOPER, task.id)
    results = [entry.payload for entry in entries if entry.kind is not EntryKind.MODEL]
    told = [dict(event.data) for event in (*live, *rebuilt)] + [entry.detail for entry in entries]
    kept = [found.output, found.error, found.reason, found.changes, turns, results]
    return orjson.dumps(told).decode() + repr(kept)


def shows_secret(told: str) -> bool:
    return any(part in told for part in ("4711", "geheim"))


async def test_a_secret_in_a_result_reaches_neither_the_model_nor_anybody_else():
    async def look() -> dict[str, str]:
        return {"config": f"key={SECRET}"}

    cluster, task = await run(calling(look, [{}]))
    assert answer(task) == [["success", {"config": "key=[redacted]"}]]
    assert not shows_secret(await everything_told(cluster, task))


async def test_a_secret_in_a_result_does_not_reach_a_function_either():
    async def look() -> str:
        return SECRET

    async def reply(ctx: TaskContext, message: str) -> str:
        return await ctx.tool(look)

    cluster, task = await run(reply)
    assert orjson.loads(task.output or b"") == "[redacted]"
    assert not shows_secret(await everything_told(cluster, task))


@pytest.mark.parametrize("effect", ["read", "once"])
async def test_a_secret_in_an_error_stays_out_of_the_reason(effect: Any):
    async def look() -> str:
        raise ValueError(f"401 for {SECRET}")

    service, cluster = AgentService(calling(look, [{}]), tools={"look": ToolPolicy(effect=effect)}), Cluster()
    async with cluster.working(service, tool_gateway=ToolGateway(redactor=Redactor([SECRET]))):
        task = await cluster.until(
            await cluster.submit(service), lambda found: found.status in (TaskStatus.DEAD, TaskStatus.WAITING)
        )
    assert "401 for [redacted]" in str(orjson.loads(task.error or b"")) + str(
        [entry.detail for entry in await cluster.journal.read(DEVELOPER, task.id)]
    )
    assert not shows_secret(await everything_told(cluster, task))


async def test_a_secret_among_the_arguments_reaches_the_tool_and_nobody_else():
    given: list[str] = []

    async def look(key: str) -> str:
        given.append(key)
        return "well"

    async def reply(ctx: TaskContext, message: str) -> str:
        return await ctx.tool(look, key=SECRET)

    cluster, task = await run(reply, ToolPolicy())
    assert (task.status, given) == (TaskStatus.SUCCEEDED, [SECRET])
    assert not shows_secret(await everything_told(cluster, task))


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_a_secret_that_a_model_says_is_not_streamed(size: int):
    text = f"The key is {SECRET}, and s is the last letter but s"

    async def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | dict[int, DeltaToolCall]]:
        for start in range(0, len(text), size):
            yield text[start : start + size]

    cluster, task = await run(Agent(FunctionModel(stream_function=stream)))
    shown = text.replace(SECRET, "[redacted]")
    assert orjson.loads(task.output or b"") == shown
    assert not shows_secret(await everything_told(cluster, task))
    assert text_of(await cluster.events(task)) == shown


async def test_a_replay_goes_on_where_the_secret_was_taken_out():
    """What was taken out must not look like other code: the model's reply is replayed as it came."""

    async def look(key: str) -> str:
        return key

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        asked = sum(isinstance(message, ModelResponse) for message in messages)
        if asked == 0:
            return ModelResponse(parts=[ToolCallPart("look", {"key": SECRET}, "c1")])
        if asked == 1 and not replies:
            replies.append(asked)
            raise ConnectionError("gone")
        return ModelResponse(parts=[TextPart("well")])

    replies: list[int] = []
    agent = Agent(FunctionModel(reply))
    agent.tool_plain(look)
    service, cluster = AgentService(agent, tools={"look": READ}), Cluster()
    async with cluster.working(service, tool_gateway=ToolGateway(redactor=Redactor([SECRET]))):
        task = await cluster.submit(service)
        await cluster.until(task, lambda found: found.failures == 1 or found.status is TaskStatus.SUCCEEDED)
        if (await cluster.find(task)).status is not TaskStatus.SUCCEEDED:
            await cluster.released(task)
        task = await cluster.ended(task)
    assert (task.status, replies) == (TaskStatus.SUCCEEDED, [1]), task.reason
    assert not shows_secret(await everything_told(cluster, task))


def text_of(events: list[Event]) -> str:
    return "".join(event.data["text"] for event in events if event.kind is EventKind.TEXT)
