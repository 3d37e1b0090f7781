"""The workloads as plain functions with a raw client: what the runtime itself costs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import orjson

from benchmarks.provider_client import Messages, complete, stream
from benchmarks.workload import DOLLARS, MODELS, STREAMED, lookup
from roadworthy import AgentService, Price, ToolPolicy
from roadworthy.frameworks.function import TaskContext


def _reply_with(model: str, streamed: bool) -> Callable[[TaskContext, str], Awaitable[str]]:
    async def whole(messages: Messages, _: Callable[[str], None]) -> Any:
        return await complete(model, messages)

    ask = partial(stream, model) if streamed else whole

    async def reply(ctx: TaskContext, message: str) -> str:
        messages: Messages = [{"role": "user", "content": message}]
        while True:
            answer = await ctx.model(model, partial(ask, messages))
            said = answer["choices"][0]["message"]
            messages.append(said)
            if not said.get("tool_calls"):
                return said["content"]
            for call in said["tool_calls"]:
                result = await ctx.tool(lookup, **orjson.loads(call["function"]["arguments"]))
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})

    return reply


services = [
    AgentService(
        _reply_with(model, name in STREAMED),
        name=name,
        version="function",
        tools={"lookup": ToolPolicy(effect="read")},
        prices={model: Price(**DOLLARS)},
    )
    for name, model in MODELS.items()
]
