"""pydantic-ai agents run on both wires: tools, parallel calls, structured output, streams, usage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from roadworthy.testing.simulated_provider import SimulatedProvider

MakeModel = Callable[[str], Model]


@pytest.fixture(params=["openai", "anthropic"])
def make_model(
    request: pytest.FixtureRequest, openai_client: AsyncOpenAI, anthropic_client: AsyncAnthropic
) -> MakeModel:
    if request.param == "openai":
        return lambda name: OpenAIChatModel(name, provider=OpenAIProvider(openai_client=openai_client))
    return lambda name: AnthropicModel(name, provider=AnthropicProvider(anthropic_client=anthropic_client))


def travel_agent(model: Model, called: list[str]) -> Agent[None, str]:
    agent: Agent[None, str] = Agent(model)

    @agent.tool_plain
    async def weather(city: str) -> str:
        called.append(f"weather {city}")
        return f"sunny in {city}"

    @agent.tool_plain
    async def book(seat: int) -> str:
        called.append(f"book {seat}")
        return f"booked {seat}"

    return agent


async def test_rounds_of_calls_by_model_name(provider: SimulatedProvider, make_model: MakeModel) -> None:
    called: list[str] = []
    result = await travel_agent(make_model("sim-tools2-calls2-tokens5"), called).run("hello")
    assert sorted(call.split()[0] for call in called) == ["book", "book", "weather", "weather"]
    assert len(result.output.split()) == 5
    assert (result.usage.requests, result.usage.tool_calls) == (3, 4)
    assert result.usage.output_tokens == sum(record.tokens for record in provider.requests)
    assert [(record.key, record.turn) for record in provider.requests] == [("hello", 0), ("hello", 1), ("hello", 2)]


async def test_scripted_parallel_calls_then_text(provider: SimulatedProvider, make_model: MakeModel) -> None:
    provider.control(
        script={
            "sim-travel": [
                {
                    "tools": [
                        {"name": "weather", "arguments": {"city": "Oslo"}},
                        {"name": "book", "arguments": {"seat": 4}},
                        {"name": "weather", "arguments": {"city": "Rome"}},
                    ]
                },
                "Have a good trip.",
            ]
        }
    )
    called: list[str] = []
    agent = travel_agent(make_model("sim-travel"), called)
    assert (await agent.run("plan it")).output == "Have a good trip."
    assert sorted(called) == ["book 4", "weather Oslo", "weather Rome"]
    async with agent.run_stream("plan it again") as streamed:
        pieces = [text async for text in streamed.stream_text(delta=True, debounce_by=None)]
    assert "".join(pieces) == "Have a good trip."
    assert len(pieces) > 1
    assert len(called) == 6
    assert [record.stream for record in provider.requests] == [False, False, True, True]


async def test_every_message_of_a_session_starts_the_script_again(
    provider: SimulatedProvider, make_model: MakeModel
) -> None:
    provider.control(script=[{"tools": [{"name": "book", "arguments": {"seat": 1}}]}, "booked"])
    called: list[str] = []
    agent = travel_agent(make_model("sim"), called)
    first = await agent.run("one")
    await agent.run("two", message_history=first.all_messages())
    assert len(called) == 2
    seen = [(record.key, record.message, record.turn, record.depth) for record in provider.requests]
    assert seen == [("one", "one", 0, 0), ("one", "one", 1, 1), ("one", "two", 0, 2), ("one", "two", 1, 3)]


@pytest.mark.parametrize("nonsense", ["arguments", "tool"])
async def test_nonsense_is_told_to_the_model(provider: SimulatedProvider, make_model: MakeModel, nonsense: str) -> None:
    provider.control(script=[{"nonsense": nonsense}, "sorry"])
    called: list[str] = []
    result = await travel_agent(make_model("sim"), called).run("hello")
    assert result.output == "sorry"
    assert called == []
    assert [record.turn for record in provider.requests] == [0, 1]


class Place(BaseModel):
    city: str
    people: int


async def test_structured_output(make_model: MakeModel) -> None:
    called: list[str] = []
    agent = Agent(make_model("sim-tools1"), output_type=Place)

    @agent.tool_plain
    async def look(where: str) -> str:
        called.append(where)
        return "seen"

    result = await agent.run("which place?")
    assert isinstance(result.output, Place)
    assert len(called) == 1


async def test_agent_sees_the_providers_error(provider: SimulatedProvider, make_model: MakeModel) -> None:
    provider.control(faults=["429@1"])
    with pytest.raises(ModelHTTPError) as caught:
        await Agent(make_model("sim")).run("hello")
    assert caught.value.status_code == 429
    assert (await Agent(make_model("sim")).run("hello")).output


async def test_agents_at_once(provider: SimulatedProvider, make_model: MakeModel) -> None:
    called: list[str] = []
    agent = travel_agent(make_model("sim-tools1-tokens3"), called)
    await asyncio.gather(*(agent.run(f"task {number}") for number in range(40)))
    seen = [(record.key, record.turn) for record in provider.requests]
    assert sorted(seen) == sorted((f"task {number}", turn) for number in range(40) for turn in (0, 1))
    assert provider.stats["max_inflight"] >= 1
