"""The lean client gives what the library gives: the same replies, and errors of the same class."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import orjson
import pytest
from openai import AsyncOpenAI
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from roadworthy.domain.errors import ModelCallFailed
from roadworthy.domain.event import EventKind
from roadworthy.frameworks.pydantic_ai.errors import model_call_failure
from roadworthy.frameworks.pydantic_ai.lean_chat_completions import LeanChatCompletions, LeanStream
from roadworthy.frameworks.pydantic_ai.streamed_reply import streamed_reply
from roadworthy.frameworks.pydantic_ai.transport import ProviderTransport
from roadworthy.testing.simulated_provider import ProviderSettings, SimulatedProvider, start

LOOKUP = ToolDefinition(
    name="lookup",
    parameters_json_schema={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
QUESTION = [ModelRequest([UserPromptPart("How is the weather in Zürich? ☀")])]


@pytest.fixture
async def provider() -> AsyncGenerator[SimulatedProvider]:
    provider = await start(ProviderSettings(seed=7, tokens=12))
    yield provider
    await provider.stop()


@pytest.fixture
async def transport() -> AsyncGenerator[ProviderTransport]:
    transport = ProviderTransport()
    yield transport
    await transport.close()


def of_the_library(name: str, provider: SimulatedProvider) -> OpenAIChatModel:
    client = AsyncOpenAI(base_url=provider.openai_url, api_key="none", max_retries=0)
    return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=client))


def lean(name: str, provider: SimulatedProvider, transport: ProviderTransport) -> Model:
    model = transport.model(
        OpenAIChatModel(name, provider=OpenAIProvider(base_url=provider.openai_url, api_key="none"))
    )
    assert isinstance(model.client.chat.completions, LeanChatCompletions)
    return model


class Heard:
    """What readers were shown."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.has_begun = False

    def __call__(self, _: EventKind, text: str) -> None:
        self.texts.append(text)

    def begins(self) -> None:
        self.has_begun = True


async def ask(model: Model, settings: ModelSettings | None = None) -> tuple[ModelResponse, list[str]]:
    heard = Heard()
    parameters = ModelRequestParameters(function_tools=[LOOKUP])
    response = await streamed_reply(model, QUESTION, settings, parameters, heard)  # type: ignore[arg-type]
    return response, heard.texts


def essence(response: ModelResponse) -> list[Any]:
    parts = [part.content if isinstance(part, TextPart) else (part.tool_name, part.args) for part in response.parts]
    return [parts, response.usage, response.finish_reason, response.model_name, response.provider_name]


@pytest.mark.parametrize("name", ["sim-tokens30", "sim-tools1", "sim-tools1-calls3", "sim-rate400-tokens20"])
async def test_replies_are_the_same(name: str, provider: SimulatedProvider, transport: ProviderTransport):
    theirs, their_text = await ask(of_the_library(name, provider))
    ours, our_text = await ask(lean(name, provider, transport))
    assert essence(ours) == essence(theirs)
    assert "".join(our_text) == "".join(their_text)
    assert any(isinstance(part, ToolCallPart) for part in ours.parts) == ("tools" in name)
    assert {record.stream for record in provider.requests} == {True}


@pytest.mark.parametrize("fault", ["400", "401", "404", "429", "500", "overloaded", "refused", "error-event"])
async def test_errors_are_of_the_same_class(fault: str, provider: SimulatedProvider, transport: ProviderTransport):
    name = f"sim-fail{fault}"
    with pytest.raises(Exception) as theirs:
        await ask(of_the_library(name, provider))
    with pytest.raises(Exception) as ours:
        await ask(lean(name, provider, transport))
    assert type(ours.value) is type(theirs.value)
    ours_translated, theirs_translated = model_call_failure(ours.value, name), model_call_failure(theirs.value, name)
    assert isinstance(ours_translated, ModelCallFailed) and isinstance(theirs_translated, ModelCallFailed)
    assert ours_translated.failure is theirs_translated.failure
    assert ours_translated.retry_after == theirs_translated.retry_after
    assert ours_translated.is_unbilled == theirs_translated.is_unbilled == (fault not in ("refused", "error-event"))
    assert (ours_translated.retry_after == 1) == (fault in ("429", "overloaded")), "what the provider's header says"


async def test_a_lower_limit_of_the_output_is_heeded(provider: SimulatedProvider, transport: ProviderTransport):
    settings = ModelSettings(max_tokens=7)
    theirs, _ = await ask(of_the_library("sim-tokens30", provider), settings)
    ours, _ = await ask(lean("sim-tokens30", provider, transport), settings)
    assert essence(ours) == essence(theirs)
    assert (ours.usage.output_tokens, ours.finish_reason) == (7, "length")


async def test_tokens_of_the_providers_cache_are_counted(provider: SimulatedProvider, transport: ProviderTransport):
    chunks = lean("sim", provider, transport).client.chat.completions  # type: ignore[attr-defined]
    stream = LeanStream(None, chunks._request)  # type: ignore[arg-type]
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 1,
        "total_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 8},
    }
    of_provider = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [],
        "usage": usage,
    }
    chunk = stream._chunk(orjson.dumps(of_provider))
    assert chunk.usage is not None and chunk.usage.prompt_tokens_details is not None
    assert chunk.usage.prompt_tokens_details.cached_tokens == 8


@pytest.mark.parametrize("fault", ["cut", "malformed"])
async def test_a_stream_that_breaks_is_worth_another_try(
    fault: str, provider: SimulatedProvider, transport: ProviderTransport
):
    with pytest.raises(Exception) as raised:
        await ask(lean(f"sim-fail{fault}", provider, transport))
    failed = model_call_failure(raised.value, "sim")
    assert isinstance(failed, ModelCallFailed) and failed.failure.is_retried


async def test_a_connection_is_used_again(provider: SimulatedProvider, transport: ProviderTransport):
    model = lean("sim-tokens3", provider, transport)
    for _ in range(3):
        await ask(model)
    connector = model.client.chat.completions._session().connector  # type: ignore[attr-defined]
    assert sum(len(kept) for kept in connector._conns.values()) == 1


async def test_the_owners_model_stays_as_it_is(provider: SimulatedProvider, transport: ProviderTransport):
    own = OpenAIChatModel("sim", provider=OpenAIProvider(base_url=provider.openai_url, api_key="none"))
    changed = transport.model(own)
    assert changed is not own
    assert not isinstance(own.client.chat.completions, LeanChatCompletions)
    assert own.client.max_retries > 0 and changed.client.max_retries == 0


async def test_a_model_that_is_only_named_is_lean_too(
    provider: SimulatedProvider, transport: ProviderTransport, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_BASE_URL", provider.openai_url)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    model = transport.model("openai-chat:sim-tokens30")
    assert isinstance(model.client.chat.completions, LeanChatCompletions)
    response, _ = await ask(model)
    assert essence(response) == essence((await ask(of_the_library("sim-tokens30", provider)))[0])
