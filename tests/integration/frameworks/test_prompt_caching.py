"""Prompt caching is asked for where it pays, on the models that must be asked. Holds what we use of pydantic-ai."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from roadworthy.core.model_gateway.prices import Prices
from roadworthy.frameworks.pydantic_ai.gated_model import reply_of
from roadworthy.frameworks.pydantic_ai.prompt_caching import LEAST_TOKENS, with_prompt_caching
from roadworthy.testing.simulated_provider import ProviderSettings, SimulatedProvider, start

LONG = "You help the customers of a shop for household goods, and you are kind to them. " * 100
LOOKUP = ToolDefinition(name="lookup", parameters_json_schema={"type": "object", "properties": {}})
WITH_TOOLS = ModelRequestParameters(function_tools=[LOOKUP])
WITHOUT_TOOLS = ModelRequestParameters()
FIRST: list[ModelMessage] = [ModelRequest([UserPromptPart(LONG)])]
LATER: list[ModelMessage] = [*FIRST, ModelResponse([TextPart("Yes?")]), ModelRequest([UserPromptPart("And?")])]


def claude(url: str = "http://127.0.0.1:9", **settings: Any) -> AnthropicModel:
    client = AsyncAnthropic(base_url=url, api_key="none", max_retries=0)
    provider = AnthropicProvider(anthropic_client=client)
    return AnthropicModel("claude-sonnet-4-5", provider=provider, settings=AnthropicModelSettings(**settings) or None)


def gpt() -> OpenAIChatModel:
    return OpenAIChatModel("gpt-5.6", provider=OpenAIProvider(base_url="http://127.0.0.1:9", api_key="none"))


def is_cached(model: Model, messages: list[ModelMessage], parameters: ModelRequestParameters, **more: Any) -> bool:
    settings = with_prompt_caching(
        more.get("settings"), model, messages, parameters, more.get("input_tokens", LEAST_TOKENS)
    )
    return (settings or {}).get("cache") is True


@pytest.mark.parametrize("model", [claude(), WrapperModel(claude())], ids=["itself", "wrapped"])
def test_tools_and_history_make_it_pay_and_a_question_by_itself_does_not(model: Model):
    assert is_cached(model, FIRST, WITH_TOOLS)
    assert is_cached(model, LATER, WITHOUT_TOOLS)
    assert not is_cached(model, FIRST, WITHOUT_TOOLS)
    assert not is_cached(model, LATER, WITH_TOOLS, input_tokens=LEAST_TOKENS - 1)


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        (claude(), ModelSettings(cache=False)),
        (claude(), AnthropicModelSettings(anthropic_cache_instructions=True)),
        (claude(cache=False), None),
        (claude(anthropic_cache="1h"), None),
    ],
)
def test_what_the_agent_says_of_it_holds(model: Model, settings: ModelSettings | None):
    assert with_prompt_caching(settings, model, LATER, WITH_TOOLS, 10_000) is settings


@pytest.mark.parametrize("model", [gpt(), TestModel(), FallbackModel(claude(), gpt())], ids=lambda m: type(m).__name__)
def test_models_that_need_not_or_can_not_be_asked_are_left_alone(model: Model):
    assert with_prompt_caching(None, model, LATER, WITH_TOOLS, 10_000) is None


@pytest.fixture
async def provider() -> AsyncGenerator[SimulatedProvider]:
    provider = await start(ProviderSettings(seed=7, tokens=12))
    yield provider
    await provider.stop()


class Asked(WrapperModel):
    """As under the gate, and keeps what a reply costs."""

    def __init__(self, wrapped: Model, cached: bool) -> None:
        super().__init__(wrapped)
        self._cached = cached
        self.cost = self.saved = 0
        self.usage: list[tuple[int, int]] = []

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        if self._cached:
            model_settings = with_prompt_caching(
                model_settings, self.wrapped, messages, model_request_parameters, 10_000
            )
        response = await self.wrapped.request(messages, model_settings, model_request_parameters)
        reply, prices = reply_of(response), Prices()
        billed = (reply.model, reply.usage, reply.provider, reply.url)
        self.cost += prices.cost(*billed)
        self.saved += prices.saved(*billed)
        self.usage.append((reply.usage["cache_read_tokens"], reply.usage["cache_write_tokens"]))
        return response


async def test_an_agent_with_a_tool_pays_less_for_its_second_step(provider: SimulatedProvider):
    provider.control(script=[{"tools": ["lookup"]}, "Fine."])
    costs: dict[bool, Asked] = {}
    for cached in (False, True):
        model = costs[cached] = Asked(claude(provider.url), cached)
        agent = Agent(model, instructions=LONG)

        @agent.tool_plain
        def lookup() -> str:
            return "sunny"

        await agent.run("How is the weather?")
    plain, cheaper = costs[False], costs[True]
    assert plain.usage == [(0, 0), (0, 0)]
    (nothing, all_of_it), (read, rest) = cheaper.usage
    assert nothing == 0 and read == all_of_it > LEAST_TOKENS and 0 < rest < all_of_it / 5
    assert [(r.cache_read_tokens, r.cache_write_tokens) for r in provider.requests][2:] == cheaper.usage
    # The marks are part of the request, so it is a few tokens longer.
    assert plain.cost - cheaper.cost == pytest.approx(cheaper.saved, rel=0.1)
    assert cheaper.cost < 0.75 * plain.cost
