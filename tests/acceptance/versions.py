"""Versions of the agents under test, to be deployed beside and after each other."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from roadworthy.frameworks.function import TaskContext

from . import services


async def hasty(ctx: TaskContext, message: str) -> str:
    """It asks the model without what the first version does before that."""
    answer = await ctx.model("sim-function", partial(services._ask, "sim-function", []))
    return f"hasty: {answer['choices'][0]['message']['content']}"


first = services.services
second = [replace(service, version="2") for service in first]
continuing = [replace(service, version="2", continues=["1"]) for service in first]
changed = [
    replace(service, agent=hasty if service.name == "function" else service.agent, version="2", continues=["1"])
    for service in first
]
