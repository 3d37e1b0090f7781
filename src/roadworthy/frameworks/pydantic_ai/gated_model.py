"""The model that an agent's request goes to: the gateway, with all models that may answer behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
from pydantic import TypeAdapter
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    NativeToolCallPart,
    NativeToolReturnPart,
    TextPart,
    ToolCallPart,
)
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.native_tools import WebFetchTool, WebSearchTool
from pydantic_ai.settings import ModelSettings, merge_model_settings
from pydantic_ai.tools import RunContext

from roadworthy.core.model_gateway.model_call import ModelCall, ModelReply
from roadworthy.core.model_gateway.reply_stream import ReplyStream
from roadworthy.domain.errors import ModelCallFailed
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.model_input import ProviderCall
from roadworthy.frameworks.error_class import failed_model_call
from roadworthy.frameworks.pydantic_ai.errors import model_call_failure
from roadworthy.frameworks.pydantic_ai.model_request import Asking, model_input
from roadworthy.frameworks.pydantic_ai.own_models import innermost, runs_in_this_process
from roadworthy.frameworks.pydantic_ai.prompt_caching import with_prompt_caching
from roadworthy.frameworks.pydantic_ai.service_models import Chain, chain_for
from roadworthy.frameworks.pydantic_ai.simplified_prompt import SimplifiedPrompt
from roadworthy.frameworks.pydantic_ai.streamed_reply import can_stream, streamed_reply

RESPONSE = TypeAdapter(ModelResponse)
_WHOLE = ("stop", "tool_call")
_ONLY_READ = (WebSearchTool.kind, WebFetchTool.kind)
"""Of the tools that a provider runs by itself; an MCP server's may do anything."""


class GatedModel(WrapperModel):
    """Stands in for the run's model during one model call. What it wraps says what the model can do."""

    def __init__(
        self,
        wrapped: Model,
        call: ModelCall,
        tier: Chain,
        simplified_prompt: SimplifiedPrompt,
        asking: Asking,
    ) -> None:
        super().__init__(wrapped)
        self._first = wrapped
        self._call = call
        self._is_of_tier = bool(tier)
        self._chain = chain_for(wrapped, tier)
        self._simplified_prompt = simplified_prompt
        self._asking = asking
        self._answered: tuple[ModelResponse, ModelReply] | None = None
        self._answered_by: str | None = None
        self.failed: ModelCallFailed | None = None
        """How the call failed; what is raised is the provider's own error, which hooks of the agent may know."""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        made: dict[int, ModelResponse] = {}

        async def make(call: ProviderCall, stream: ReplyStream) -> ModelReply:
            model, of_model = self._chain[call.model], (messages, model_settings, model_request_parameters)
            try:
                response = await streamed_reply(
                    model, *self._request_to(model, call, *of_model, asked.input_tokens), stream
                )
            except Exception as error:
                if (failed := self._failure(error, model, call.model)) is None:
                    raise
                raise failed from error
            # What is asked of this model from now on, about an answer that goes on, is for the one that gave it.
            self.wrapped, self._answered_by = model, call.model
            reply = replace(reply_of(response), is_whole=_is_whole(response, model))
            made[id(reply)] = response
            return reply

        name, model = next(iter(self._chain.items()))
        asked = model_input(model, name, messages, model_settings, model_request_parameters, can_stream(model))
        again, answer_tools = self._asking
        asked = replace(asked, can_be_cached=not again, answer_tools=answer_tools)
        try:
            reply = await self._call.answer(asked, make, self._models(messages))
        except ModelCallFailed as error:
            self.failed = error
        else:
            response = made.get(id(reply)) or RESPONSE.validate_json(reply.payload)
            self._answered = (response, reply)
            return response
        # Outside of the handler: as each other's context and cause the two would keep all of the call alive.
        raise self.failed.__cause__ or self.failed

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """The whole reply as a stream: readers have seen it live, and what broke in the middle was made good."""
        response = await self.request(messages, model_settings, model_request_parameters)
        yield CompletedStreamedResponse(response, model_request_parameters=model_request_parameters, replay_events=True)

    def reply_for(self, response: ModelResponse) -> ModelReply:
        """What is kept of the response that the agent gets in the end: its hooks may have changed it."""
        if self._answered is not None and self._answered[0] is response:
            return self._answered[1]
        return reply_of(response)

    def _models(self, messages: list[ModelMessage]) -> tuple[str, ...]:
        if self._answered_by is not None and isinstance(messages[-1], ModelResponse):
            # An answer that goes on: no other model could.
            return (self._answered_by,)
        return tuple(self._chain) if self._is_of_tier else ()

    def _failure(self, error: Exception, model: Model, name: str) -> ModelCallFailed | None:
        if isinstance(error, UserError) and model is not self._first:
            # What the agent is made for, this one can't do; another one may.
            return failed_model_call(error, name, FailureClass.INVALID_MODEL_REQUEST)
        return model_call_failure(error, name)

    def _request_to(
        self,
        model: Model,
        call: ProviderCall,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
        input_tokens: int,
    ) -> tuple[list[ModelMessage], ModelSettings | None, ModelRequestParameters]:
        if call.simplified:
            messages, parameters = self._simplified_prompt.of(messages, parameters)
        if call.simplified or model is not self._first:
            # Of the messages that are here the framework has made what the run's own model understands.
            messages = model.prepare_messages(messages, parameters)
        if call.output_tokens is not None:
            settings = merge_model_settings(settings, ModelSettings(max_tokens=call.output_tokens))
        if not call.simplified:
            settings = with_prompt_caching(settings, model, messages, parameters, input_tokens)
        return messages, settings, parameters


def reply_of(response: ModelResponse) -> ModelReply:
    used = response.usage
    usage = {
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "cache_read_tokens": used.cache_read_tokens,
        "cache_write_tokens": used.cache_write_tokens,
    }
    if used.cache_write_1h_tokens:
        usage["cache_write_1h_tokens"] = used.cache_write_1h_tokens
    return ModelReply(
        payload=RESPONSE.dump_json(response),
        model=response.model_name or "unknown",
        text="".join(part.content for part in response.parts if isinstance(part, TextPart)),
        tool_calls=[
            {"call_id": part.tool_call_id, "tool": part.tool_name, "arguments": _arguments(part)}
            for part in response.parts
            if isinstance(part, ToolCallPart)
        ],
        usage=usage,
        provider=response.provider_name,
        url=response.provider_url,
        is_cut=response.finish_reason == "length",
        has_acted=any(
            isinstance(part, NativeToolCallPart | NativeToolReturnPart) and part.tool_name not in _ONLY_READ
            for part in response.parts
        ),
    )


def _is_whole(response: ModelResponse, model: Model) -> bool:
    """Whether it ended as the model wanted it to, said by the provider itself: where it says nothing, the clients of
    chat completions say `stop`."""
    if response.state != "complete" or not _says_something(response):
        return False
    if response.finish_reason is None:
        return runs_in_this_process(model)
    if isinstance(innermost(model), OpenAIChatModel) and not (response.provider_details or {}).get("finish_reason"):
        return False
    return response.finish_reason in _WHOLE


def _arguments(part: ToolCallPart) -> Any:
    """As JSON types; what the model wrote, where that isn't JSON."""
    if not isinstance(part.args, str):
        return part.args or {}
    try:
        return orjson.loads(part.args)
    except orjson.JSONDecodeError:
        return part.args


def _says_something(response: ModelResponse) -> bool:
    return any(
        isinstance(part, ToolCallPart) or (isinstance(part, TextPart) and part.content.strip())
        for part in response.parts
    )
