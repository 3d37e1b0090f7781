"""The agents that are run: a plain function and a pydantic-ai agent that do what the script in their input says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from roadworthy import AgentService, Limits, Price, ToolPolicy

from .outside import EFFECTS, Outside, Script

LIMITS = Limits(steps=8, step_seconds=8, total_seconds=600, queue_seconds=4000, waiting_seconds=40, cost_usd="1")


def service(outside: Outside, version: str, pydantic_ai: bool) -> AgentService:
    agent = pydantic_ai_agent(outside) if pydantic_ai else function_agent(outside, version)
    tools = {
        name: ToolPolicy(effect=effect, seconds=6, retries=0 if effect == "once" else 1)  # type: ignore[arg-type]
        for name, effect in EFFECTS.items()
    }
    prices = {"simulated": Price("1", "1")}
    return AgentService(agent, name="simulated", version=version, limits=LIMITS, tools=tools, prices=prices)


def function_agent(outside: Outside, version: str) -> Any:
    tools = _tools(outside)

    async def simulated(ctx: Any, message: str) -> Any:
        script = Script.of(message)
        replies: list[str] = []
        results: list[list[str]] = []
        for step in range(1, len(script.steps) + 2):

            async def call(stream: Callable[[str], None], step: int = step) -> Any:
                text = ""
                async with aclosing(outside.model(script.token, step)) as pieces:
                    async for piece in pieces:
                        stream(piece)
                        text += piece
                return {"choices": [{"message": {"content": text}}], "usage": {"prompt_tokens": 3}}

            reply = await ctx.model("simulated", call)
            replies.append(reply["choices"][0]["message"]["content"])
            calls = script.calls(step)
            arguments = {"token": script.token, "step": step}
            if calls:
                results.append(
                    await asyncio.gather(*(ctx.tool(tools[tool], **arguments, call_id=id_) for tool, id_ in calls))
                )
        return {"version": version, "replies": replies, "results": results}

    return simulated


def _tools(outside: Outside) -> dict[str, Any]:
    async def look(token: str, step: int, call_id: str) -> str:
        return await outside.tool(token, step, "look", call_id)

    async def put(token: str, step: int, call_id: str) -> str:
        return await outside.tool(token, step, "put", call_id)

    async def pay(token: str, step: int, call_id: str) -> str:
        return await outside.tool(token, step, "pay", call_id)

    return {"look": look, "put": put, "pay": pay}


def pydantic_ai_agent(outside: Outside) -> Agent[None, str]:
    async def reply(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        script, step = _where(messages)
        async with aclosing(outside.model(script.token, step)) as pieces:
            async for piece in pieces:
                yield piece
        if calls := script.calls(step):
            yield {
                place: DeltaToolCall(tool, json.dumps({"token": script.token, "step": step}), tool_call_id=call_id)
                for place, (tool, call_id) in enumerate(calls)
            }

    agent = Agent(FunctionModel(stream_function=reply, model_name="simulated"), name="simulated")

    @agent.tool
    async def look(ctx: RunContext[None], token: str, step: int) -> str:
        return await outside.tool(token, step, "look", ctx.tool_call_id or "")

    @agent.tool
    async def put(ctx: RunContext[None], token: str, step: int) -> str:
        return await outside.tool(token, step, "put", ctx.tool_call_id or "")

    @agent.tool
    async def pay(ctx: RunContext[None], token: str, step: int) -> str:
        return await outside.tool(token, step, "pay", ctx.tool_call_id or "")

    return agent


def _where(messages: list[ModelMessage]) -> tuple[Script, int]:
    """The script of the present task, and which of its model calls this is."""
    step, script = 1, None
    for message in messages:
        if isinstance(message, ModelResponse):
            step += 1
        elif isinstance(message, ModelRequest):
            for part in message.parts:
                if isinstance(part, UserPromptPart):
                    script, step = Script.of(str(part.content)), 1
    assert script is not None
    return script, step
