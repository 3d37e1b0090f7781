"""The Anthropic messages wire."""

from __future__ import annotations

from typing import Any

import orjson

from roadworthy.testing.simulated_provider.answer import Answer, CallPart, TextPart
from roadworthy.testing.simulated_provider.errors import BadRequest
from roadworthy.testing.simulated_provider.json_values import JsonObject, as_count, as_list, as_object
from roadworthy.testing.simulated_provider.model_request import ModelRequest, OfferedTool
from roadworthy.testing.simulated_provider.prompt_cache import PromptCache
from roadworthy.testing.simulated_provider.wire import read_conversation, read_model

_STOP = {"stop": "end_turn", "tools": "tool_use", "length": "max_tokens"}
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicWire:
    """`POST /v1/messages`."""

    overloaded_status = 529
    id_header = "request-id"

    def __init__(self) -> None:
        self._prompt_cache = PromptCache()

    def read(self, body: JsonObject, size: int) -> ModelRequest:
        """Read a request of `size` bytes. Raises BadRequest."""
        model = read_model(body)
        max_tokens = as_count(body.get("max_tokens"))
        if not max_tokens:
            raise BadRequest("max_tokens: a whole number of at least 1 is required")
        conversation = read_conversation(body.get("messages"))
        cached = self._prompt_cache.use(body)
        return ModelRequest(
            wire="anthropic",
            model=model,
            stream=body.get("stream") is True,
            include_usage=True,
            key=conversation.key,
            message=conversation.message,
            turn=conversation.turn,
            depth=conversation.depth,
            tools=_tools(body.get("tools")),
            forced_tool=_forced_tool(as_object(body.get("tool_choice"))),
            output_schema=_output_schema(body),
            max_tokens=max_tokens,
            prompt_tokens=max(1, size // 4 - sum(cached)),
            cached=cached,
        )

    def whole(self, answer: Answer) -> bytes:
        """The answer as one `message`."""
        content = [
            {"type": "text", "text": part.text(), "citations": None} if isinstance(part, TextPart) else _call(part)
            for part in answer.parts
        ]
        message = _message(answer, answer.completion_tokens)
        return orjson.dumps({**message, "content": content, "stop_reason": _STOP[answer.ends]})

    def stream(self, answer: Answer) -> AnthropicStream:
        """The answer as `message_start` … `message_stop` events."""
        return AnthropicStream(answer)

    def error(self, status: int, message: str) -> bytes:
        """An error body for an HTTP status."""
        kind = _ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return orjson.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": None})

    def error_event(self, message: str) -> bytes:
        """An error in the middle of a stream."""
        return b"event: error\ndata: " + self.error(529, message) + b"\n\n"


class AnthropicStream:
    """One answer as `message_start` … `message_stop` events."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def opening(self) -> bytes:
        """The message without content, and a ping as the real one sends it."""
        message = _message(self._answer, 1)
        return _event("message_start", {"message": message}) + _event("ping", {})

    def token(self, part: int, index: int) -> bytes:
        """One token of a text or of a call's input."""
        what = self._answer.parts[part]
        if isinstance(what, TextPart):
            event = (
                b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
                b'"delta":{"type":"text_delta","text":%b}}\n\n' % (part, orjson.dumps(what.token(index)))
            )
        else:
            delta = {"type": "input_json_delta", "partial_json": what.tokens[index]}
            event = _event("content_block_delta", {"index": part, "delta": delta})
        if index == 0:
            empty: JsonObject = {}
            block = {"type": "text", "text": ""} if isinstance(what, TextPart) else {**_call(what), "input": empty}
            event = _event("content_block_start", {"index": part, "content_block": block}) + event
        if index == len(what.tokens) - 1:
            event += _event("content_block_stop", {"index": part})
        return event

    def closing(self) -> bytes:
        """The reason of the end with the final usage, and the stop."""
        delta = {"stop_reason": _STOP[self._answer.ends], "stop_sequence": None}
        usage = {"output_tokens": self._answer.completion_tokens}
        return _event("message_delta", {"delta": delta, "usage": usage}) + _event("message_stop", {})


def _event(name: str, fields: JsonObject) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps({"type": name, **fields}))


def _message(answer: Answer, output_tokens: int) -> JsonObject:
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "role": "assistant",
        "model": answer.request.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": answer.request.prompt_tokens,
            "cache_creation_input_tokens": answer.request.cached.write,
            "cache_read_input_tokens": answer.request.cached.read,
            "output_tokens": output_tokens,
            "service_tier": "standard",
        },
    }


def _call(part: CallPart) -> JsonObject:
    try:
        arguments: Any = orjson.loads(part.arguments)
    except orjson.JSONDecodeError:
        # On this wire the input is an object, so nonsense can only be arguments that nobody asked for.
        arguments = {"nonsense": part.arguments}
    return {"type": "tool_use", "id": f"toolu_{part.id}", "name": part.name, "input": arguments}


def _tools(value: object) -> tuple[OfferedTool, ...]:
    tools = [as_object(tool) for tool in as_list(value) or []]
    return tuple(
        OfferedTool(str(tool["name"]), as_object(tool.get("input_schema")) or {})
        for tool in tools
        if tool is not None and "name" in tool and "input_schema" in tool
    )


def _forced_tool(choice: JsonObject | None) -> str | None:
    match (choice or {}).get("type"):
        case "any":
            return ""
        case "tool":
            return str((choice or {}).get("name", ""))
        case _:
            return None


def _output_schema(body: JsonObject) -> JsonObject | None:
    config = as_object(body.get("output_config")) or {}
    chosen = as_object(config.get("format")) or as_object(body.get("output_format")) or {}
    return as_object(chosen.get("schema"))
