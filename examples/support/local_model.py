"""A real language model that needs no key: SmolLM2 with 135 million parameters, on this machine.

It is tiny: tools are really called and text really streams, but the answers are not wise.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from examples.support.local_model_server import MODEL_NAME, LocalModelServer
from examples.support.tool_calling import ToolCallingModel


def local_model() -> Model:
    """The model served at `SUPPORT_DEMO_MODEL_URL`; without that, a server starts with the first request."""
    if url := os.environ.get("SUPPORT_DEMO_MODEL_URL"):
        return ToolCallingModel(chat_model(url))
    server = LocalModelServer()
    return ToolCallingModel(StartsItsServer(chat_model(server.url), server))


def chat_model(url: str) -> OpenAIChatModel:
    """llama.cpp's server speaks OpenAI's wire, JSON schemas included, but knows nothing of tools at this size."""
    return OpenAIChatModel(
        MODEL_NAME,
        provider=LocalProvider(base_url=f"{url}/v1", api_key="none"),
        profile=OpenAIModelProfile(
            supports_json_schema_output=True,
            openai_supports_strict_tool_definition=False,
            openai_chat_supports_max_completion_tokens=False,
        ),
    )


class LocalProvider(OpenAIProvider):
    """Not OpenAI, only its wire: nobody should look up a price."""

    @property
    def name(self) -> str:
        return "local"


class StartsItsServer(WrapperModel):
    """Starts the server before the first request, so that importing the example starts nothing."""

    def __init__(self, wrapped: Model, server: LocalModelServer) -> None:
        super().__init__(wrapped)
        self.server = server

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        await asyncio.to_thread(self.server.start)
        return await super().request(messages, model_settings, model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        await asyncio.to_thread(self.server.start)
        async with super().request_stream(messages, model_settings, model_request_parameters, run_context) as stream:
            yield stream
