"""What supervised workers serve: a function that needs no provider, so that a worker starts in half a second."""

from __future__ import annotations

from roadworthy import AgentService, Limits, ToolPolicy
from roadworthy.frameworks.function import TaskContext

from .desk_client import call, call_and_block


async def look_up(task_id: str, item: str) -> str:
    return await call("look_up", task_id, item)


async def charge(task_id: str, item: str) -> str:
    return await call("charge", task_id, item)


async def stall(task_id: str, item: str) -> str:
    """The event loop stands still until the desk answers."""
    return call_and_block("stall", task_id, item)


TOOLS = {tool.__name__: tool for tool in (look_up, charge, stall)}


async def reply(ctx: TaskContext, message: str) -> str:
    """Calls the tools that the message names, one after the other."""
    return " ".join([await ctx.tool(TOOLS[name], task_id=ctx.task_id, item=message) for name in message.split()])


_limits = Limits(step_seconds=60, total_seconds=120)
_tools = {"look_up": ToolPolicy("read"), "charge": ToolPolicy("once"), "stall": ToolPolicy("read")}
service = AgentService(reply, name="small", limits=_limits, tools=_tools)
