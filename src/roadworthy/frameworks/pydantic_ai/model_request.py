"""What the gateway must know of a request that pydantic-ai makes: how large it is, and what its reply depends on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import orjson
from pydantic_ai.messages import (
    BinaryContent,
    CachePoint,
    CompactionPart,
    FileUrl,
    ModelMessage,
    ModelRequest,
    RetryFeedbackPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestContext, ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext, ToolDefinition
from pydantic_core import to_jsonable_python

from roadworthy.core.model_gateway.token_estimate import estimated_tokens
from roadworthy.domain.model_input import ModelInput

PART_BYTES = 40
"""What stands around a part on the wire."""
TOOL_BYTES = 80
"""What stands around a tool's definition."""
TOOL_PROMPT_BYTES = 850
"""What providers add of their own to a request that has tools: Anthropic's is the longest, at about 330 tokens."""
FILE_BYTES_AN_IMAGE = 20_000
"""Of a file that is no image, like a PDF: so many of its bytes cost about as much as one image does."""
_ASKED_FOR_BY_TOOLS = (ToolReturnPart, RetryFeedbackPart)
_UNKNOWN = object()
_AN_HOUR = "1h"
_ABOUT_THE_CLIENT = {"timeout", "request_timeout", "max_retries"}
"""Settings that the reply does not depend on."""


def model_input(
    model: Model,
    name: str,
    messages: Sequence[ModelMessage],
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
    streams: bool,
) -> ModelInput:
    """`name` is what the gateway calls the model."""
    last_prompt = _last_prompt(messages)
    return ModelInput(
        model=name,
        input_tokens=_tokens(messages, parameters),
        output_tokens=_output_limit(settings) or _output_limit(model.settings),
        question=_text(last_prompt.content) if last_prompt is not None else "",
        surroundings=lambda: _surroundings(messages, settings, parameters, last_prompt),
        streams=streams,
        is_kept_for_an_hour=_is_kept_for_an_hour(messages, settings, model.settings),
    )


def _output_limit(settings: ModelSettings | None) -> int | None:
    return cast(dict[str, Any], settings).get("max_tokens") if settings else None


def _is_kept_for_an_hour(messages: Sequence[ModelMessage], *settings: ModelSettings | None) -> bool:
    """Whether the agent asks for that, in its settings or with a CachePoint."""
    of_caches = [value for some in settings if some for name, value in some.items() if "cache" in name]
    if any(_AN_HOUR in (value.values() if isinstance(value, dict) else (value,)) for value in of_caches):
        return True
    return any(
        isinstance(content, CachePoint) and content.ttl == _AN_HOUR
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, UserPromptPart) and not isinstance(part.content, str)
        for content in part.content
    )


def _last_prompt(messages: Sequence[ModelMessage]) -> UserPromptPart | None:
    """What the user asks for, where that is text and the newest part of the request."""
    last = messages[-1] if messages else None
    if not isinstance(last, ModelRequest) or any(isinstance(part, _ASKED_FOR_BY_TOOLS) for part in last.parts):
        return None
    prompts = [part for part in last.parts if isinstance(part, UserPromptPart)]
    return prompts[0] if len(prompts) == 1 and isinstance(prompts[0].content, str) else None


def _text(content: object) -> str:
    return content if isinstance(content, str) else ""


class Asking(NamedTuple):
    """What a request does not say, but the run that makes it."""

    is_asked_again: bool = False
    """Its newest message tells the model that its last reply could not be used: no cache may answer that."""
    answer_tools: Collection[str] = ()
    """Output tools without a function: asking for one of them does nothing yet."""


def asking(ctx: RunContext[Any], request: ModelRequestContext) -> Asking:
    tools = request.model_request_parameters.output_tools
    return Asking(
        _tells_of_a_rejection(request.messages), [tool.name for tool in tools if not _may_have_function(ctx, tool.name)]
    )


def _may_have_function(ctx: RunContext[Any], output_tool: str) -> bool:
    """No public name says so; where this can't tell, the tool's policy decides."""
    tools = ctx.tool_manager.tools if ctx.tool_manager is not None else None
    toolset: object = getattr((tools or {}).get(output_tool), "toolset", None)
    processor: object = getattr(toolset, "processors", {}).get(output_tool)
    return getattr(processor, "_function_schema", _UNKNOWN) is not None


def _tells_of_a_rejection(messages: Sequence[ModelMessage]) -> bool:
    newest = messages[-1] if messages else None
    return isinstance(newest, ModelRequest) and any(
        isinstance(part, RetryFeedbackPart) or (isinstance(part, ToolReturnPart) and part.outcome == "retried")
        for part in newest.parts
    )


# How large it is


def _tokens(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> int:
    size, images = 0, 0
    for part in _instructions(messages, parameters):
        size += _bytes(part) + PART_BYTES
    for message in messages:
        for part in message.parts:
            size += PART_BYTES
            for value in (getattr(part, "content", None), getattr(part, "args", None)):
                more, files = _size(value)
                size += more
                images += files
    for tool in (*parameters.function_tools, *parameters.output_tools):
        size += _tool_bytes(tool)
    if parameters.function_tools or parameters.output_tools:
        size += TOOL_PROMPT_BYTES
    return estimated_tokens(size, images)


def _size(value: object) -> tuple[int, int]:
    """Bytes of text, and images."""
    match value:
        case None:
            return 0, 0
        case str():
            return _bytes(value), 0
        case BinaryContent():
            return 0, 1 if value.is_image else 1 + len(value.data) // FILE_BYTES_AN_IMAGE
        case FileUrl():
            return 0, 1
        case list() | tuple():
            sizes = [_size(item) for item in cast(Sequence[object], value)]
            return sum(size for size, _ in sizes), sum(images for _, images in sizes)
        case _:
            text: object = getattr(value, "content", None)
            return (_bytes(text) if isinstance(text, str) else len(_json(value))), 0


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _tool_bytes(tool: ToolDefinition) -> int:
    return _bytes_of_tool(tool.name, tool.description or "", _Schema(tool.parameters_json_schema))


class _Schema:
    """A tool's schema, known again by its identity: it stays the same from run to run, or is made anew."""

    __slots__ = ("schema",)

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Schema) and self.schema is other.schema


@lru_cache(maxsize=2048)
def _bytes_of_tool(name: str, description: str, schema: _Schema) -> int:
    return TOOL_BYTES + _bytes(name) + _bytes(description) + len(_json(schema.schema))


def _instructions(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> Iterator[str]:
    if parameters.instruction_parts is not None:
        yield from (part.content for part in parameters.instruction_parts)
        return
    for message in reversed(messages):
        if isinstance(message, ModelRequest) and message.instructions:
            yield message.instructions
            return


# What its reply depends on


def _surroundings(
    messages: Sequence[ModelMessage],
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
    question: UserPromptPart | None,
) -> bytes:
    """The same for requests that differ in their question only, whenever and under whatever ids they were made."""
    calls: dict[str, int] = {}
    return _json(
        [
            [
                [message.kind, [_dependence(part, calls) if part is not question else "?" for part in message.parts]]
                for message in messages
            ],
            list(_instructions(messages, parameters)),
            {name: value for name, value in (settings or {}).items() if name not in _ABOUT_THE_CLIENT},
            [_definition(tool) for tool in parameters.function_tools],
            [_definition(tool) for tool in parameters.output_tools],
            parameters.native_tools,
            [parameters.output_mode, parameters.output_object, parameters.prompted_output_template],
            [parameters.allow_text_output, parameters.allow_image_output, parameters.thinking],
        ]
    )


def _dependence(part: Any, calls: dict[str, int]) -> list[object]:
    """What of a part reaches the model. Ids of tool calls differ from run to run: only which belong together counts."""
    call_id: str | None = getattr(part, "tool_call_id", None)
    return [
        part.part_kind,
        getattr(part, "tool_name", None),
        None if call_id is None else calls.setdefault(call_id, len(calls)),
        getattr(part, "content", None),
        getattr(part, "args", None),
        getattr(part, "outcome", None),
        # All that there is of what was said before, where the provider alone can read it.
        part.provider_details if isinstance(part, CompactionPart) else None,
    ]


def _definition(tool: ToolDefinition) -> list[object]:
    return [tool.name, tool.description, tool.parameters_json_schema, tool.strict, tool.kind]


def _json(value: object) -> bytes:
    # What has no form in JSON is given by its repr, which may hold an address: then it is like nothing else.
    return orjson.dumps(to_jsonable_python(value, fallback=repr), option=orjson.OPT_SORT_KEYS)
