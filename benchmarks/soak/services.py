"""What runs in a soak: no provider, so that it is the runtime that is worn. Tools count their calls in a file, which no
killed worker takes with it."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from pydantic_ai import Agent, RunContext
from pydantic_ai.models.test import TestModel

from benchmarks.soak.kinds import CALLS, ITEM
from roadworthy import AgentService, Limits, Price, ToolPolicy
from roadworthy.frameworks.function import TaskContext

SLOW_SECONDS = 0.2


def _fails_now(task_id: str) -> bool:
    """Once for each task, whichever process runs it."""
    try:
        os.close(os.open(f"{os.environ[CALLS]}-{task_id}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _count(tool: str, task_id: str) -> str:
    """One line, written at once: nobody's lines are mixed, and none is lost with its process."""
    file = os.open(os.environ[CALLS], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{tool} {task_id} {ITEM}\n".encode())
    os.close(file)
    return f"{tool} is done"


async def look_up(task_id: str) -> str:
    return _count("look_up", task_id)


async def reserve(task_id: str) -> str:
    return _count("reserve", task_id)


async def charge(task_id: str) -> str:
    result = _count("charge", task_id)
    await asyncio.sleep(0.005)
    return result


async def think(task_id: str) -> str:
    await asyncio.sleep(SLOW_SECONDS)
    return _count("think", task_id)


POLICIES = {
    "look_up": ToolPolicy(effect="read"),
    "reserve": ToolPolicy(effect="idempotent"),
    "charge": ToolPolicy(effect="once"),
    "think": ToolPolicy(effect="read"),
}


async def _say(text: str) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": text}}]}


async def reply(ctx: TaskContext, message: str) -> str:
    """Does what the first word of the message says."""
    kind = message.partition(" ")[0]
    await ctx.model("none", lambda _: _say("Let me see."))
    if kind == "broken":
        raise ValueError("this one is broken")
    if kind == "flaky" and _fails_now(ctx.task_id):
        raise ConnectionError("this one fails once")
    if kind == "tools":
        await asyncio.gather(ctx.tool(look_up, task_id=ctx.task_id), ctx.tool(reserve, task_id=ctx.task_id))
        await ctx.tool(charge, task_id=ctx.task_id)
    if kind == "slow":
        await ctx.tool(think, task_id=ctx.task_id)
    return (await ctx.model("none", lambda _: _say(f"Done: {message}")))["choices"][0]["message"]["content"]


_agent = Agent(TestModel(custom_output_text="Done."))


@_agent.tool(name="charge")
async def _charge(ctx: RunContext[None]) -> str:
    return await charge(str(ctx.run_id))


_limits = Limits(queue_seconds=3600, waiting_seconds=86_400)
services = [
    AgentService(reply, name="function", tools=POLICIES, limits=_limits, prices={"none": Price.free()}),
    AgentService(_agent, name="agent", tools=POLICIES, limits=_limits),
]
