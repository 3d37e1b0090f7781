"""What the tests serve: three agents over the simulated provider, with the same tools of every effect."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp
from pydantic_ai import Agent, RunContext
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from roadworthy import AgentService, Limits, Price, ToolPolicy
from roadworthy.frameworks.function import TaskContext

from .desk_client import call, call_and_block

PROVIDER = os.environ["ACCEPTANCE_PROVIDER"]
VERSION = os.environ.get("ACCEPTANCE_VERSION", "1")
BLOCKED_SECONDS = 2.0


async def look_up(task_id: str, item: str) -> str:
    return await call("look_up", task_id, item)


async def reserve(task_id: str, item: str) -> str:
    return await call("reserve", task_id, item)


async def charge(task_id: str, item: str) -> str:
    return await call("charge", task_id, item)


def count_stock(task_id: str, item: str) -> str:
    """In a thread."""
    return call_and_block("count_stock", task_id, item)


async def block_the_loop(task_id: str, item: str) -> str:
    """What nobody should write."""
    result = await call("block_the_loop", task_id, item)
    time.sleep(BLOCKED_SECONDS)
    return result


TOOLS: dict[str, Callable[..., Any]] = {
    tool.__name__: tool for tool in (look_up, reserve, charge, count_stock, block_the_loop)
}
POLICIES = {
    "look_up": ToolPolicy(effect="read"),
    "reserve": ToolPolicy(effect="idempotent"),
    "charge": ToolPolicy(effect="once"),
    "count_stock": ToolPolicy(effect="read"),
    "block_the_loop": ToolPolicy(effect="read"),
}


def _agent(name: str, model: Any) -> Agent[None, str]:
    agent = Agent(model, name=name)
    for tool in TOOLS.values():
        agent.tool(_with_context(tool), name=tool.__name__)
    return agent


def _with_context(tool: Callable[..., Any]) -> Callable[..., Any]:
    if not asyncio.iscoroutinefunction(tool):

        def call_in_thread(ctx: RunContext[None], item: str) -> str:
            return tool(ctx.run_id, item)

        return call_in_thread

    async def call_in_loop(ctx: RunContext[None], item: str) -> str:
        return await tool(ctx.run_id, item)

    return call_in_loop


async def reply(ctx: TaskContext, message: str) -> str:
    """A loop of one's own over a provider's HTTP interface."""
    messages: list[dict[str, Any]] = [*ctx.history, {"role": "user", "content": message}]
    while True:
        answer = await ctx.model("sim-function", partial(_ask, "sim-function", messages))
        said = answer["choices"][0]["message"]
        if not said.get("tool_calls"):
            return said["content"]
        messages.append(said)
        calls = [(call["id"], call["function"]) for call in said["tool_calls"]]
        results = await asyncio.gather(
            *(
                ctx.tool(TOOLS[function["name"]], task_id=ctx.task_id, **json.loads(function["arguments"]))
                for _, function in calls
            )
        )
        messages += [
            {"role": "tool", "tool_call_id": call_id, "content": result}
            for (call_id, _), result in zip(calls, results, strict=True)
        ]


async def _ask(model: str, messages: list[dict[str, Any]], stream: Callable[[str], None]) -> dict[str, Any]:
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
        for name in TOOLS
    ]
    body = {"model": model, "messages": messages, "tools": tools, "stream": True}
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    try:
        async with aiohttp.ClientSession() as http, http.post(f"{PROVIDER}/v1/chat/completions", json=body) as answer:
            if answer.status != 200:
                raise RuntimeError(f"the provider says {answer.status}")
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    _add(json.loads(line[6:])["choices"], message, stream)
    except aiohttp.ClientError as error:
        raise ConnectionError(str(error)) from error
    return {"choices": [{"message": message}]}


def _add(choices: list[dict[str, Any]], message: dict[str, Any], stream: Callable[[str], None]) -> None:
    for choice in choices:
        if text := choice["delta"].get("content"):
            message["content"] += text
            stream(text)
        for piece in choice["delta"].get("tool_calls") or ():
            calls = message.setdefault("tool_calls", [])
            if piece["index"] == len(calls):
                calls.append({"id": piece["id"], "type": "function", "function": {"name": "", "arguments": ""}})
            for name in ("name", "arguments"):
                calls[piece["index"]]["function"][name] += piece["function"].get(name) or ""


_openai = OpenAIChatModel("sim-openai", provider=OpenAIProvider(base_url=f"{PROVIDER}/v1", api_key="unused"))
_anthropic = AnthropicModel("sim-anthropic", provider=AnthropicProvider(base_url=PROVIDER, api_key="unused"))
_limits = Limits(steps=10, step_seconds=60, total_seconds=120, cost_usd="1")

_price = Price("0.25", "2", cache_read="0.025", cache_write="0.3125")
_prices = dict.fromkeys(("sim-openai", "sim-anthropic", "sim-function"), _price)

services = [
    AgentService(agent, name=name, version=VERSION, limits=_limits, tools=POLICIES, prices=_prices)
    for name, agent in (
        ("openai", _agent("openai", _openai)),
        ("anthropic", _agent("anthropic", _anthropic)),
        ("function", reply),
    )
]
