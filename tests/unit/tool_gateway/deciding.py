"""Agents that a script leads, and people who decide about their calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.domain.decision import NewDecision, PendingCall, Verdict, pending_calls
from roadworthy.domain.event import EventKind
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import Task, TaskStatus
from unit.execution.cluster import Cluster

SOON = ToolGateway(lease_seconds=0.2)
"""Of workers whose calls can be found out about soon after they were started."""


def told(messages: list[ModelMessage]) -> list[tuple[str, Any]]:
    """Outcome and content of each tool result that a model was sent, in order."""
    return [
        (part.outcome, part.content)
        for message in messages
        for part in message.parts
        if part.part_kind == "tool-return"
    ]


def scripted(*replies: list[Any]) -> FunctionModel:
    """A model that gives these replies in turn; in the end it says what it was told, as JSON."""

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        turn = sum(isinstance(message, ModelResponse) for message in messages)
        if turn < len(replies):
            return ModelResponse(parts=replies[turn])
        return ModelResponse(parts=[TextPart(orjson.dumps(told(messages)).decode())])

    return FunctionModel(reply)


def calling(tool: Callable[..., Any], *steps: list[dict[str, Any]]) -> Agent:
    """An agent that calls its one tool with these arguments, all those of a step at once."""
    replies = [
        [ToolCallPart(tool.__name__, arguments, f"c{step}.{place}") for place, arguments in enumerate(calls, 1)]
        for step, calls in enumerate(steps, 1)
    ]
    agent = Agent(scripted(*replies), retries=3)
    agent.tool_plain(tool)
    return agent


async def waits(cluster: Cluster, task: Task) -> list[PendingCall]:
    """Once it waits: the calls that somebody has to decide about."""
    await cluster.reaches(task, TaskStatus.WAITING)
    return await pending(cluster, task)


async def pending(cluster: Cluster, task: Task) -> list[PendingCall]:
    return pending_calls(await cluster.journal.read(DEVELOPER, task.id), task.generation)


async def decide(
    cluster: Cluster, task: Task, call_id: str, verdict: Verdict, value: Any = None, note: str | None = None
) -> None:
    encoded = None if value is None else orjson.dumps(value)
    decision = NewDecision(call_id, verdict, encoded, note, DEVELOPER, reason=f"{verdict} {call_id}")
    await cluster.decisions.decide(DEVELOPER, task.id, decision, None)
    await MemoryWorkQueue(cluster.broker).post({task.lane})


def answer(task: Task) -> Any:
    assert task.status is TaskStatus.SUCCEEDED, (task.status, task.reason)
    output = orjson.loads(task.output or b"null")
    return orjson.loads(output) if isinstance(output, str) else output


async def results(cluster: Cluster, task: Task) -> AsyncIterator[dict[str, Any]]:
    """What the stream says of each result."""
    for event in await cluster.events(task):
        if event.kind is EventKind.TOOL_RESULT:
            yield dict(event.data)
