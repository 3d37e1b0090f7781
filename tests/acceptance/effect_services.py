"""Agents that do what the script in their input says, with tools whose effects are rows of another database."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import asyncpg
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from roadworthy import AgentService, Done, Limits, NotDone, Price, StartedCall, ToolPolicy, current_call
from roadworthy.domain.errors import ToolCallFailed
from roadworthy.frameworks.function import TaskContext

EFFECTS = os.environ["ACCEPTANCE_EFFECTS"]
TOOL_SECONDS = float(os.environ.get("ACCEPTANCE_TOOL_SECONDS", "1"))
"""The time limit of each call."""
PAUSE_SECONDS = float(os.environ.get("ACCEPTANCE_PAUSE_SECONDS", "0"))
"""How long a tool works before and after its effect, at most."""
_chance = Random()


async def _do(tool: str, item: str) -> str:
    call = current_call()
    if "lost" in item and call.attempt == 1:
        raise RuntimeError("the line is dead")
    connection = await asyncpg.connect(EFFECTS)
    try:
        await asyncio.sleep(_chance.random() * PAUSE_SECONDS)
        await connection.execute(
            "insert into effects (task_id, tool, item, key, attempt, pid) values ($1, $2, $3, $4, $5, $6)",
            *(call.task_id, tool, item, call.idempotency_key, call.attempt, os.getpid()),
        )
        await connection.execute("select pass_gate('after', $1)", call.task_id)
        await asyncio.sleep(_chance.random() * PAUSE_SECONDS)
    finally:
        connection.terminate()
    if "hanging" in item:
        await asyncio.Event().wait()
    if "raising" in item:
        raise RuntimeError("the printer is out of paper")
    return f"{tool} of {item} is done"


async def charge(item: str) -> str:
    """What its service can be asked about afterwards."""
    return await _do("charge", item)


async def pay(item: str) -> str:
    """What only people can look up."""
    return await _do("pay", item)


async def reserve(item: str) -> str:
    """What may be done again with the same key."""
    return await _do("reserve", item)


async def refund(item: str, amount: int = 10) -> str:
    """What somebody has to allow."""
    return await _do("refund", f"{item} for {amount}")


async def was_charged(call: StartedCall) -> Done | NotDone:
    connection = await asyncpg.connect(EFFECTS)
    try:
        found = await connection.fetchval("select item from effects where key = $1", call.idempotency_key)
    finally:
        connection.terminate()
    return Done(f"charge of {found} is found") if found else NotDone("no such charge is known")


TOOLS: dict[str, Callable[..., Any]] = {tool.__name__: tool for tool in (charge, pay, reserve, refund)}
POLICIES = {
    "charge": ToolPolicy(effect="once", seconds=TOOL_SECONDS, reconcile=was_charged),
    "pay": ToolPolicy(effect="once", seconds=TOOL_SECONDS),
    "reserve": ToolPolicy(effect="idempotent", seconds=TOOL_SECONDS),
    "refund": ToolPolicy(effect="once", seconds=TOOL_SECONDS, approval="always"),
}


@dataclass(frozen=True, slots=True)
class Script:
    """The calls of each step, all at the same time; in the end the agent answers with what it was told of each."""

    steps: list[list[tuple[str, dict[str, Any]]]]

    @classmethod
    def of(cls, message: str) -> Script:
        return cls(json.loads(message))


async def follow_script(ctx: TaskContext, message: str) -> list[str]:
    """A plain function."""
    told: list[str] = []

    async def call(tool: str, arguments: dict[str, Any]) -> str:
        try:
            return await ctx.tool(TOOLS[tool], **arguments)
        except NotDone as error:
            return f"not done: {error}"
        except ToolCallFailed as error:
            if POLICIES[tool].approval == "never":
                raise
            return f"not allowed: {error}"

    for step, calls in enumerate(Script.of(message).steps, 1):
        await ctx.model("scripted", lambda stream, step=step: _say(f"step {step}"))
        told += await asyncio.gather(*(call(*each) for each in calls))
    return told


async def _say(text: str) -> dict[str, Any]:
    return {"choices": [{"message": {"content": text}}]}


async def _reply(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
    step, script, told = 0, Script([]), list[str]()
    for message in messages:
        if isinstance(message, ModelResponse):
            step += 1
            continue
        assert isinstance(message, ModelRequest)
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                step, script, told = 0, Script.of(str(part.content)), []
            else:
                told.append(str(part.content))
    if step == len(script.steps):
        yield json.dumps(told)
        return
    counted: Counter[str] = Counter()
    for place, (tool, arguments) in enumerate(script.steps[step]):
        counted[tool] += 1
        yield {place: DeltaToolCall(tool, json.dumps(arguments), tool_call_id=f"{tool}#{counted[tool]}")}


def _agent() -> Agent[None, str]:
    agent = Agent(FunctionModel(stream_function=_reply, model_name="scripted"), name="pydantic_ai", retries=5)
    for tool in TOOLS.values():
        agent.tool_plain(tool)
    return agent


_limits = Limits(steps=30, total_seconds=600, queue_seconds=600, waiting_seconds=600)

services = [
    AgentService(
        agent,
        name=name,
        version="1",
        limits=_limits,
        tools=POLICIES,
        prices={"scripted": Price("0", "0")},
    )
    for name, agent in (("pydantic_ai", _agent()), ("function", follow_script))
]
continuing = [replace(service, version="2", continues=["1"]) for service in services]
