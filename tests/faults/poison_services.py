"""Agents that bring their process down, or give back what nobody can keep."""

from __future__ import annotations

import ctypes
import os
from functools import partial
from typing import Any

from acceptance.services import POLICIES, _ask
from roadworthy import AgentService, Price
from roadworthy.frameworks.function import TaskContext


async def exits(ctx: TaskContext, message: str) -> str:
    os._exit(3)


async def crashes(ctx: TaskContext, message: str) -> str:
    """In the middle of a tool, after something was journaled."""
    await ctx.model("sim-crashes", partial(_ask, "sim-crashes", [{"role": "user", "content": message}]))
    return await ctx.tool(read_address_zero)


def read_address_zero() -> str:
    return ctypes.string_at(0).decode()


async def huge(ctx: TaskContext, message: str) -> str:
    return "x" * (17 << 20)


async def broken(ctx: TaskContext, message: str) -> Any:
    return {"answer": object()}


_prices = {"sim-crashes": Price.free()}
services = [
    AgentService(agent, name=agent.__name__, tools=POLICIES, prices=_prices) for agent in (exits, crashes, huge, broken)
]
