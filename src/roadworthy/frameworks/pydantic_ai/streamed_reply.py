"""Streams a model's text to readers while the agent waits for the whole reply."""

from __future__ import annotations

from pydantic_ai.exceptions import ModelConnectionError
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
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.settings import ModelSettings

from roadworthy.core.model_gateway.reply_stream import ReplyStream
from roadworthy.domain.event import EventKind
from roadworthy.frameworks.pydantic_ai.own_models import innermost

_ALWAYS_SAY_HOW_THEY_END = (AnthropicModel, OpenAIResponsesModel)
"""Chat completions don't: for those `lean_chat_completions.py` looks at the stream itself."""


async def streamed_reply(
    model: Model,
    messages: list[ModelMessage],
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
    stream: ReplyStream,
) -> ModelResponse:
    """The whole reply of a model that is asked for a stream, or for the whole at once where it can't stream.

    Raises ModelConnectionError for a stream that just ends: its client takes it for a whole answer.
    """
    if can_stream(model):
        try:
            async with model.request_stream(messages, settings, parameters) as response:
                async for event in response:
                    if not stream.has_begun:
                        stream.begins()
                    _pass_on(event, stream)
                reply = response.get()
            if _breaks_off(model, reply):
                raise ModelConnectionError(model.model_name, "the stream ended in the middle of the answer")
            return reply
        except NotImplementedError:
            pass
    stream.comes_whole()
    return await model.request(messages, settings, parameters)


def can_stream(model: Model) -> bool:
    """Whether it is worth asking; a model may still say that it can't."""
    model = innermost(model)
    return not (isinstance(model, FunctionModel) and model.stream_function is None)


def _breaks_off(model: Model, reply: ModelResponse) -> bool:
    says_how = reply.finish_reason or (reply.provider_details or {}).get("finish_reason")
    return not says_how and reply.state != "suspended" and isinstance(innermost(model), _ALWAYS_SAY_HOW_THEY_END)


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
