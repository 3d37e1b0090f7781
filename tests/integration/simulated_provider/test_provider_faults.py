"""Every fault looks to the real clients like the failure that it stands for."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from roadworthy.testing.simulated_provider import ProviderSettings, SimulatedProvider, parse_faults

HELLO: Any = [{"role": "user", "content": "hello"}]
StartProvider = Callable[[ProviderSettings], Awaitable[SimulatedProvider]]


async def ask_openai(client: AsyncOpenAI, *, stream: bool = False, model: str = "sim") -> str:
    if not stream:
        answer = await client.chat.completions.create(model=model, messages=HELLO)
        return answer.choices[0].message.content or ""
    chunks = await client.chat.completions.create(model=model, messages=HELLO, stream=True)
    return "".join([choice.delta.content or "" async for chunk in chunks for choice in chunk.choices])


async def ask_anthropic(client: AsyncAnthropic, *, stream: bool = False, model: str = "sim") -> str:
    if not stream:
        answer = await client.messages.create(model=model, max_tokens=50, messages=HELLO)
        return "".join(block.text for block in answer.content if block.type == "text")
    async with client.messages.stream(model=model, max_tokens=50, messages=HELLO) as events:
        return "".join([text async for text in events.text_stream])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "openai_error", "anthropic_error"),
    [
        ("400", 400, openai.BadRequestError, anthropic.BadRequestError),
        ("401", 401, openai.AuthenticationError, anthropic.AuthenticationError),
        ("429", 429, openai.RateLimitError, anthropic.RateLimitError),
        ("500", 500, openai.InternalServerError, anthropic.InternalServerError),
        ("503", 503, openai.InternalServerError, anthropic.InternalServerError),
    ],
)
async def test_status(
    provider: SimulatedProvider,
    openai_client: AsyncOpenAI,
    anthropic_client: AsyncAnthropic,
    fault: str,
    status: int,
    openai_error: type[openai.APIStatusError],
    anthropic_error: type[anthropic.APIStatusError],
    stream: bool,
) -> None:
    provider.control(faults=[f"{fault}@2", f"{fault}@3"], retry_after=7)
    await ask_openai(openai_client, stream=stream)
    with pytest.raises(openai_error) as from_openai:
        await ask_openai(openai_client, stream=stream)
    with pytest.raises(anthropic_error) as from_anthropic:
        await ask_anthropic(anthropic_client, stream=stream)
    for error in (from_openai.value, from_anthropic.value):
        assert error.status_code == status
        assert f"simulated fault {fault}" in error.message
        assert error.response.headers.get("retry-after") == ("7" if status in (429, 503) else None)
        assert error.request_id is not None
    await ask_anthropic(anthropic_client, stream=stream)
    assert provider.stats["faults"] == {fault: 2}
    assert [record.outcome for record in provider.requests] == ["answered", fault, fault, "answered"]


async def test_overloaded(openai_client: AsyncOpenAI, anthropic_client: AsyncAnthropic) -> None:
    with pytest.raises(openai.InternalServerError) as from_openai:
        await ask_openai(openai_client, model="sim-failoverloaded")
    assert from_openai.value.status_code == 503
    with pytest.raises(anthropic.APIStatusError) as from_anthropic:
        await ask_anthropic(anthropic_client, model="sim-failoverloaded")
    assert from_anthropic.value.status_code == 529
    assert from_anthropic.value.type == "overloaded_error"


@pytest.mark.parametrize("stream", [False, True])
async def test_refused(
    provider: SimulatedProvider, openai_client: AsyncOpenAI, anthropic_client: AsyncAnthropic, stream: bool
) -> None:
    with pytest.raises(openai.APIConnectionError):
        await ask_openai(openai_client, stream=stream, model="sim-failrefused")
    with pytest.raises(anthropic.APIConnectionError):
        await ask_anthropic(anthropic_client, stream=stream, model="sim-failrefused")
    assert provider.stats["outcomes"] == {"refused": 2}


async def test_hang_ends_with_the_clients_patience_or_the_settings(
    provider: SimulatedProvider, openai_client: AsyncOpenAI
) -> None:
    with pytest.raises(openai.APITimeoutError):
        await ask_openai(openai_client.with_options(timeout=0.05), model="sim-failhang")
    await provider.wait_for(inflight_at_most=0)
    provider.control(hang_seconds=0.05)
    with pytest.raises(openai.APIConnectionError) as caught:
        await ask_openai(openai_client, model="sim-failhang")
    assert not isinstance(caught.value, openai.APITimeoutError)
    assert [record.outcome for record in provider.requests] == ["client_closed", "hang"]


@pytest.mark.parametrize("rate", [0, 1000])
async def test_cut_and_malformed_streams_break_in_the_middle(
    provider: SimulatedProvider, openai_client: AsyncOpenAI, anthropic_client: AsyncAnthropic, rate: int
) -> None:
    provider.control(tokens_per_second=rate)
    received: list[str] = []
    with pytest.raises(openai.APIConnectionError):
        async for chunk in await openai_client.chat.completions.create(
            model="sim-tokens8-failcut", messages=HELLO, stream=True
        ):
            received += [choice.delta.content for choice in chunk.choices if choice.delta.content]
    assert len(received) == 4
    # This client does not translate what goes wrong in the middle of a stream.
    with pytest.raises(httpx2.RemoteProtocolError):
        await ask_anthropic(anthropic_client, stream=True, model="sim-failcut")
    with pytest.raises(json.JSONDecodeError):
        await ask_openai(openai_client, stream=True, model="sim-failmalformed")
    with pytest.raises(json.JSONDecodeError):
        await ask_anthropic(anthropic_client, stream=True, model="sim-failmalformed")
    assert [record.outcome for record in provider.requests] == ["cut", "cut", "malformed", "malformed"]


async def test_cut_and_malformed_whole_answers(
    provider: SimulatedProvider, openai_client: AsyncOpenAI, anthropic_client: AsyncAnthropic
) -> None:
    with pytest.raises(openai.APIConnectionError):
        await ask_openai(openai_client, model="sim-failcut")
    with pytest.raises(anthropic.APIConnectionError):
        await ask_anthropic(anthropic_client, model="sim-failcut")
    with pytest.raises(Exception, match=r"(?i)json|expecting|unterminated"):
        await ask_openai(openai_client, model="sim-failmalformed")
    with pytest.raises(Exception, match=r"(?i)json|expecting|unterminated"):
        await ask_anthropic(anthropic_client, model="sim-failmalformed")
    assert await ask_openai(openai_client)
    assert provider.stats["inflight"] == 0


async def test_error_event_in_a_stream(openai_client: AsyncOpenAI, anthropic_client: AsyncAnthropic) -> None:
    with pytest.raises(openai.APIError, match="error-event"):
        await ask_openai(openai_client, stream=True, model="sim-failerror-event")
    with pytest.raises(anthropic.APIStatusError) as caught:
        await ask_anthropic(anthropic_client, stream=True, model="sim-failerror-event")
    assert caught.value.type == "overloaded_error"
    with pytest.raises(openai.InternalServerError):
        await ask_openai(openai_client, model="sim-failerror-event")


async def test_the_clients_own_retries_get_through(provider: SimulatedProvider, openai_client: AsyncOpenAI) -> None:
    provider.control(faults=["429@1", "500@2"], retry_after=0.01)
    assert await ask_openai(openai_client.with_options(max_retries=3))
    assert [record.outcome for record in provider.requests] == ["429", "500", "answered"]


async def test_the_same_seed_gives_the_same_answers_and_faults(start_provider: StartProvider) -> None:
    seen: list[list[str]] = []
    for seed in (5, 5, 6):
        settings = ProviderSettings(seed=seed, faults=parse_faults(["429:0.3", "cut:0.2"]))
        provider = await start_provider(settings)
        texts: list[str] = []
        async with AsyncOpenAI(base_url=provider.openai_url, api_key="unused", max_retries=0) as client:
            for number in range(40):
                try:
                    answer = await client.chat.completions.create(
                        model="sim", messages=[{"role": "user", "content": f"question {number}"}]
                    )
                except openai.APIError as error:
                    texts.append(type(error).__name__)
                else:
                    texts.append(answer.model_dump_json())
        seen.append(texts)
    assert seen[0] == seen[1]
    assert {"RateLimitError", "APIConnectionError"} < set(seen[0])
    assert seen[0] != seen[2]
