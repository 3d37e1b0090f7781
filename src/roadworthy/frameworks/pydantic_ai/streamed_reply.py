"""Streams a model's text to readers while the agent waits for the whole reply."""

from __future__ import annotations

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
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from roadworthy.core.model_gateway.reply_stream import ReplyStream
from roadworthy.domain.event import EventKind


async def streamed_reply(
    model: Model,
    messages: list[ModelMessage],
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
    stream: ReplyStream,
) -> ModelResponse:
    """The whole reply of a model that is asked for a stream, or for the whole at once where it can't stream."""
    if can_stream(model):
        try:
            async with model.request_stream(messages, settings, parameters) as response:
                async for event in response:
                    if not stream.has_begun:
                        stream.begins()
                    _pass_on(event, stream)
                return response.get()
        except NotImplementedError:
            pass
    stream.comes_whole()
    return await model.request(messages, settings, parameters)


def can_stream(model: Model) -> bool:
    """Whether it is worth asking; a model may still say that it can't."""
    while isinstance(model, WrapperModel):
        model = model.wrapped
    return not (isinstance(model, FunctionModel) and model.stream_function is None)


def _pass_on(event: object, stream: ReplyStream) -> None:
    match event:
        case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
            stream(EventKind.TEXT, text)
        case PartStartEvent(part=TextPart(content=text)):
            stream(EventKind.TEXT, text)
        case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str() as text)):
            stream(EventKind.THINKING, text)
        case PartStartEvent(part=ThinkingPart(content=text)):
            stream(EventKind.THINKING, text)
        case _:
            pass
