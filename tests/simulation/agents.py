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

from roadworthy import AgentService, Limits, NotDone, Price, ToolPolicy
from roadworthy.domain.errors import ToolCallFailed
from roadworthy.domain.model_input import ProviderCall

from .outside import (
    EFFECTS,
    INPUT_PRICE,
    INPUT_TOKENS,
    MOST_TOKENS,
    OUTPUT_PRICE,
    PIECE_TOKENS,
    TOOL_SECONDS,
    Outside,
    Script,
)

LIMITS = Limits(steps=8, step_seconds=8, total_seconds=600, queue_seconds=4000, waiting_seconds=40, cost_usd="4")


def service(outside: Outside, version: str, pydantic_ai: bool) -> AgentService:
    agent = pydantic_ai_agent(outside) if pydantic_ai else function_agent(outside, version)
    tools = {
        name: ToolPolicy(
            effect=effect,  # type: ignore[arg-type]
            seconds=TOOL_SECONDS,
            retries=0 if effect == "once" else 1,
            reconcile=outside.look_up if name == "send" else None,
            approval="always" if name == "sell" else "never",
        )
        for name, effect in EFFECTS.items()
    }
    prices = {"simulated": Price(str(INPUT_PRICE), str(OUTPUT_PRICE))}
    return AgentService(agent, name="simulated", version=version, limits=LIMITS, tools=tools, prices=prices)


def function_agent(outside: Outside, version: str) -> Any:
    tools = _tools(outside)

    async def simulated(ctx: Any, message: str) -> Any:
        script = Script.of(message)
        replies: list[str] = []
        results: list[list[str]] = []
        for step in range(1, len(script.steps) + 2):
            reply = await ctx.model("simulated", _calling(outside, script, step), max_output_tokens=MOST_TOKENS)
            replies.append(reply["choices"][0]["message"]["content"])
            calls = script.calls(step)
            arguments = {"token": script.token, "step": step}
            if calls:
                made = (_told(tool, ctx.tool(tools[tool], **arguments, call_id=id_)) for tool, id_ in calls)
                results.append(await asyncio.gather(*made))
        return {"version": version, "replies": replies, "results": results}

    return simulated


async def _told(tool: str, call: Any) -> str:
    try:
        return await call
    except NotDone as error:
        return f"not done: {error}"
    except ToolCallFailed as error:
        if tool != "sell":
            raise
        return f"not allowed: {error}"


def _calling(outside: Outside, script: Script, step: int) -> Any:
    async def call(stream: Callable[[str], None], allowed: ProviderCall) -> Any:
        most = MOST_TOKENS if allowed.output_tokens is None else allowed.output_tokens
        said: list[str] = []
        async with aclosing(outside.model(script.token, step, most)) as pieces:
            async for piece in pieces:
                stream(piece)
                said.append(piece)
        tokens = len(said) * PIECE_TOKENS
        is_cut = most < MOST_TOKENS and tokens + PIECE_TOKENS > most
        return {
            "choices": [{"message": {"content": "".join(said)}, "finish_reason": "length" if is_cut else "stop"}],
            "usage": {"prompt_tokens": INPUT_TOKENS, "completion_tokens": tokens},
        }

    return call


def _tools(outside: Outside) -> dict[str, Any]:
    def tool(name: str) -> Any:
        async def use(token: str, step: int, call_id: str, note: str = "") -> str:
            return await outside.tool(token, step, name, call_id, note)

        use.__name__ = name
        return use

    return {name: tool(name) for name in EFFECTS}


def pydantic_ai_agent(outside: Outside) -> Agent[None, str]:
    async def reply(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        script, step = _where(messages)
        # What its model says of usage is a guess of its own.
        async with aclosing(outside.model(script.token, step, bills=False)) as pieces:
            async for piece in pieces:
                yield piece
        if calls := script.calls(step):
            yield {
                place: DeltaToolCall(tool, json.dumps({"token": script.token, "step": step}), tool_call_id=call_id)
                for place, (tool, call_id) in enumerate(calls)
            }

    model = FunctionModel(stream_function=reply, model_name="simulated")
    agent = Agent(model, name="simulated", model_settings={"max_tokens": MOST_TOKENS})

    def add(name: str) -> None:
        @agent.tool(name=name)
        async def use(ctx: RunContext[None], token: str, step: int, note: str = "") -> str:
            return await outside.tool(token, step, name, ctx.tool_call_id or "", note)

    for name in EFFECTS:
        add(name)
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
