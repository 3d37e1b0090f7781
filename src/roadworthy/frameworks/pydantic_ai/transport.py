"""Gives OpenAI's and Anthropic's clients the cheaper aiohttp transport, and leaves retries to us.

A call by AsyncOpenAI costs 1.2 ms of CPU over aiohttp and 1.8 ms, or 5 to 7 with 1,000 connections, over httpx.
"""

from __future__ import annotations

import copy
from typing import Any

from anthropic import AsyncAnthropic
from httpx2 import AsyncClient, Limits, Timeout
from openai import AsyncOpenAI, DefaultAioHttpClient
from pydantic_ai.models import infer_model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers import Provider, infer_provider
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from roadworthy.frameworks.pydantic_ai.lean_chat_completions import (
    CONNECT_SECONDS,
    READ_SECONDS,
    LeanChatCompletions,
    LeanSession,
)

_PROVIDERS = (OpenAIProvider, AnthropicProvider)


class ProviderTransport:
    """One HTTP client for all models of a process; the connections it opens are kept and shared."""

    def __init__(self) -> None:
        self._client: AsyncClient | None = None
        self._lean_session = LeanSession()

    def model(self, model: Any) -> Any:
        """The model to run with: a copy on this transport where that is safe, else the model as it is.

        A model whose owner gave it an HTTP client keeps that. Raises pydantic-ai's UserError for a name that it does
        not know or whose key is not set.
        """
        if isinstance(model, str):
            return self.model(infer_model(model, self._provider))
        if isinstance(model, WrapperModel):
            return model
        if type(model) is FallbackModel:
            changed = copy.copy(model)
            changed.models = [self.model(each) for each in model.models]
            return changed
        provider: Any = getattr(model, "_provider", None)
        client: Any = getattr(provider, "client", None)
        if not isinstance(client, AsyncOpenAI | AsyncAnthropic):
            return model
        http: Any = getattr(client, "_client", None)
        if type(provider) in _PROVIDERS and (provider._own_http_client is not None or http is self._client):
            return _with_client(model, self._cheap(model, client))
        return _with_client(model, client.with_options(max_retries=0)) if client.max_retries else model

    def _cheap(self, model: Any, client: AsyncOpenAI | AsyncAnthropic) -> AsyncOpenAI | AsyncAnthropic:
        cheap: Any = client.with_options(http_client=self.client(), max_retries=0)
        if type(model) is OpenAIChatModel and LeanChatCompletions.serves(cheap):
            cheap.chat.completions = LeanChatCompletions(cheap, self._lean_session)
        return cheap

    def client(self) -> AsyncClient:
        if self._client is None:
            limits = Limits(max_connections=None, max_keepalive_connections=None)
            timeout = Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
            self._client = DefaultAioHttpClient(limits=limits, timeout=timeout)
        return self._client

    async def close(self) -> None:
        await self._lean_session.close()
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    def _provider(self, name: str) -> Provider[Any]:
        match name:
            case "openai" | "openai-chat" | "openai-responses":
                return OpenAIProvider(http_client=self.client())
            case "anthropic":
                return AnthropicProvider(http_client=self.client())
            case _:
                return infer_provider(name)


def _with_client(model: Any, client: AsyncOpenAI | AsyncAnthropic) -> Any:
    """A copy of the model that uses this client; its owner's model stays as it is."""
    provider = copy.copy(model._provider)
    provider._client = client
    # The client is shared: the end of one run must not close it.
    provider._own_http_client = None
    changed = copy.copy(model)
    changed._provider = provider
    return changed
