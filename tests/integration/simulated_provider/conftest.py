"""A provider in the test's own event loop, and the real clients of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from anthropic import AsyncAnthropic
from anthropic import DefaultAsyncHttpxClient as AnthropicHttpClient
from openai import AsyncOpenAI
from openai import DefaultAsyncHttpxClient as OpenAIHttpClient

from roadworthy.testing.simulated_provider import ProviderSettings, SimulatedProvider, start

StartProvider = Callable[..., Awaitable[SimulatedProvider]]


@pytest.fixture
async def start_provider() -> AsyncIterator[StartProvider]:
    """Starts providers that are stopped at the end; fails a test that leaves work of theirs behind."""
    running: list[SimulatedProvider] = []

    async def start_one(settings: ProviderSettings | None = None) -> SimulatedProvider:
        running.append(await start(settings or ProviderSettings()))
        return running[-1]

    yield start_one
    for one in running:
        await one.stop()
        await one.stop()
        assert (one.stats["inflight"], one.stats["held"]) == (0, 0)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("simulated provider")]


@pytest.fixture
async def provider(start_provider: StartProvider) -> SimulatedProvider:
    return await start_provider()


@pytest.fixture
async def openai_client(provider: SimulatedProvider) -> AsyncIterator[AsyncOpenAI]:
    # Certificates take a tenth of a second to load and are of no use on plain HTTP.
    http = OpenAIHttpClient(verify=False)
    async with AsyncOpenAI(
        base_url=provider.openai_url, api_key="unused", max_retries=0, timeout=20, http_client=http
    ) as client:
        yield client


@pytest.fixture
async def anthropic_client(provider: SimulatedProvider) -> AsyncIterator[AsyncAnthropic]:
    http = AnthropicHttpClient(verify=False)
    async with AsyncAnthropic(
        base_url=provider.url, api_key="unused", max_retries=0, timeout=20, http_client=http
    ) as client:
        yield client
