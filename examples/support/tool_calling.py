"""Lets a model call tools that is too small to do it by itself. No other model needs this file.

The model is held to a JSON schema while it writes: it chooses one of the functions on offer and quotes the conversation
for their arguments. Afterwards it puts what the function returned into a sentence, which streams.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models import CompletedStreamedResponse, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings

from examples.support.conversation import Conversation
from examples.support.tool_choice import Choice, choices

# Found by trying: this size follows the wording that it was trained on and little else.
CALL = "You help customers of a shop. Choose the function and copy its arguments from the message."
TELL = (
    "You're an AI assistant for text re-writing. Rewrite the input text as one short friendly sentence to a customer."
)
TALK = "You help customers of a shop. Answer in one short sentence."

Request = tuple[list[ModelMessage], ModelSettings, ModelRequestParameters]


class ToolCallingModel(WrapperModel):
    """Asks the wrapped model for one tool call, then for a sentence about its result."""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        conversation = Conversation.of(messages)
        if offered := functions_to_offer(conversation, model_request_parameters):
            return await self._call(conversation, offered)
        return await self.wrapped.request(*sentence(conversation))

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        conversation = Conversation.of(messages)
        if offered := functions_to_offer(conversation, model_request_parameters):
            # A call is of use only when it is complete, so there is nothing to stream.
            yield CompletedStreamedResponse(
                await self._call(conversation, offered),
                model_request_parameters=model_request_parameters,
                replay_events=True,
            )
            return
        async with self.wrapped.request_stream(*sentence(conversation), run_context) as stream:
            yield stream

    async def _call(self, conversation: Conversation, offered: list[Choice]) -> ModelResponse:
        response = await self.wrapped.request(*function_call(conversation, offered))
        try:
            call = json.loads(response.text or "")
        except ValueError as error:
            raise UnexpectedModelBehavior("the local model did not finish its function call") from error
        part = ToolCallPart(call["function"], call["arguments"])
        return replace(response, parts=[part], finish_reason="tool_call")


def functions_to_offer(conversation: Conversation, parameters: ModelRequestParameters) -> list[Choice]:
    """None once a function has answered: this size cannot know when to stop."""
    return [] if conversation.tool_results else choices(conversation, parameters.function_tools)


def function_call(conversation: Conversation, offered: list[Choice]) -> Request:
    """The request for `{"function": …, "arguments": …}`."""
    described = "\n".join(f"{choice.tool}: {choice.description}" for choice in offered)
    schema = OutputObjectDefinition({"anyOf": [choice.schema for choice in offered]}, name="function_call")
    parameters = ModelRequestParameters(output_mode="native", output_object=schema)
    return _prompt(f"{CALL}\n{described}", conversation.question), _settings(max_tokens=300), parameters


def sentence(conversation: Conversation) -> Request:
    """The request for the answer to the customer."""
    if conversation.tool_results:
        prompt = _prompt(TELL, "\n".join(conversation.tool_results))
    else:
        prompt = _prompt(TALK, conversation.question)
    return prompt, _settings(max_tokens=80), ModelRequestParameters()


def _prompt(instructions: str, text: str) -> list[ModelMessage]:
    # One instruction and one text: in a longer history this size loses the thread.
    return [ModelRequest(parts=[SystemPromptPart(instructions), UserPromptPart(text)])]


def _settings(max_tokens: int) -> ModelSettings:
    return ModelSettings(temperature=0, max_tokens=max_tokens)
