"""Streams a model's text to readers while the agent waits for the whole reply."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
)
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext

from roadworthy.core.attempt import TextStream
from roadworthy.domain.event import EventKind


class StreamingModel(WrapperModel):
    """Asks the wrapped model for a stream, also where the agent asks for a whole reply.

    A model that can't stream is asked for the whole reply.
    """

    def __init__(self, wrapped: Model, stream: TextStream) -> None:
        super().__init__(wrapped)
        self._stream = stream

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        if not _streams(self.wrapped):
            return await self.wrapped.request(messages, model_settings, model_request_parameters)
        try:
            opening = self.wrapped.request_stream(messages, model_settings, model_request_parameters)
            async with opening as response:
                async for event in response:
                    self._pass_on(event)
                return response.get()
        except NotImplementedError:
            return await self.wrapped.request(messages, model_settings, model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        opening = self.wrapped.request_stream(messages, model_settings, model_request_parameters, run_context)
        async with opening as response:
            yield response

    def _pass_on(self, event: object) -> None:
        match event:
            case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                self._stream(EventKind.TEXT, text)
            case PartStartEvent(part=TextPart(content=text)):
                self._stream(EventKind.TEXT, text)
            case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str() as text)):
                self._stream(EventKind.THINKING, text)
            case PartStartEvent(part=ThinkingPart(content=text)):
                self._stream(EventKind.THINKING, text)
            case _:
                pass


def _streams(model: Model) -> bool:
    while isinstance(model, WrapperModel):
        model = model.wrapped
    return not (isinstance(model, FunctionModel) and model.stream_function is None)
