"""Agents that never come to an end, each in its own way."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from roadworthy import AgentService, Limits, Price, ToolPolicy

SECONDS = 0.5


async def ignoring_cancellation() -> str:
    while True:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue


def in_a_thread() -> str:
    threading.Event().wait()
    return "never"


async def agent(ctx: Any, message: str) -> Any:
    match message:
        case "model":
            return await ctx.model("gpt", lambda stream: ignoring_cancellation())
        case "tool":
            return await ctx.tool(ignoring_cancellation)
        case "thread":
            return await ctx.tool(in_a_thread)
        case "agent":
            while True:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        case "stubborn agent":
            return await ignoring_cancellation()
        case _:
            return message


_read = ToolPolicy(effect="read", seconds=SECONDS)
services = [
    AgentService(
        agent,
        name="hanging",
        limits=Limits(step_seconds=SECONDS),
        prices={"gpt": Price.free()},
        tools={"ignoring_cancellation": _read, "in_a_thread": _read},
    ),
    AgentService(
        agent, name="paying", limits=Limits(step_seconds=SECONDS), tools={"in_a_thread": ToolPolicy(seconds=1)}
    ),
]
