"""The OpenAI chat-completions wire."""

from __future__ import annotations

from typing import Any

import orjson

from roadworthy.testing.simulated_provider.answer import Answer, CallPart, TextPart
from roadworthy.testing.simulated_provider.json_values import JsonObject, as_count, as_list, as_object
from roadworthy.testing.simulated_provider.model_request import ModelRequest, OfferedTool
from roadworthy.testing.simulated_provider.wire import read_conversation, read_model

CREATED = 1_700_000_000
"""The time in every answer, in Unix seconds: fixed, so that equal requests have equal answers."""

_FINISH = {"stop": "stop", "tools": "tool_calls", "length": "length"}
_ERROR_TYPES = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "permission_denied"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}
_DONE = b"data: [DONE]\n\n"


class OpenAIWire:
    """`POST /v1/chat/completions`."""

    overloaded_status = 503
    id_header = "x-request-id"

    def read(self, body: JsonObject, size: int) -> ModelRequest:
        """Read a request of `size` bytes. Raises BadRequest."""
        model = read_model(body)
        conversation = read_conversation(body.get("messages"))
        options = as_object(body.get("stream_options")) or {}
        limit = as_count(body.get("max_completion_tokens"))
        return ModelRequest(
            wire="openai",
            model=model,
            stream=body.get("stream") is True,
            include_usage=options.get("include_usage") is True,
            key=conversation.key,
            message=conversation.message,
            turn=conversation.turn,
            depth=conversation.depth,
            tools=_tools(body.get("tools")),
            forced_tool=_forced_tool(body.get("tool_choice")),
            output_schema=_output_schema(body.get("response_format")),
            max_tokens=as_count(body.get("max_tokens")) if limit is None else limit,
            prompt_tokens=max(1, size // 4),
        )

    def whole(self, answer: Answer) -> bytes:
        """The answer as one `chat.completion`."""
        text = [part.text() for part in answer.parts if isinstance(part, TextPart)]
        message: JsonObject = {"role": "assistant", "content": "".join(text) if text else None, "refusal": None}
        calls = [_call(part) for part in answer.parts if isinstance(part, CallPart)]
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _FINISH[answer.ends]}
        return orjson.dumps(
            {
                "id": f"chatcmpl-{answer.id}",
                "object": "chat.completion",
                "created": CREATED,
                "model": answer.request.model,
                "choices": [choice],
                "usage": _usage(answer),
            }
        )

    def stream(self, answer: Answer) -> OpenAIStream:
        """The answer as `chat.completion.chunk` events."""
        return OpenAIStream(answer)

    def error(self, status: int, message: str) -> bytes:
        """An error body for an HTTP status."""
        kind, code = _ERROR_TYPES.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
        return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})

    def error_event(self, message: str) -> bytes:
        """An error in the middle of a stream."""
        return b"data: " + self.error(500, message) + b"\n\n"


class OpenAIStream:
    """One answer as `chat.completion.chunk` events."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        model = orjson.dumps(answer.request.model)
        # A token is written millions of times in a benchmark: everything around it is made once.
        self._before = (
            b'data: {"id":"chatcmpl-%b","object":"chat.completion.chunk","created":%d,"model":%b,"choices":[{"index":0,'
            b'"delta":' % (answer.id.encode(), CREATED, model)
        )
        usage = b',"usage":null' if answer.request.include_usage else b""
        self._after = b',"logprobs":null,"finish_reason":null}]' + usage + b"}\n\n"
        self._before_text = self._before + b'{"content":'
        self._after_text = b"}" + self._after
        self._first_call = next(
            (index for index, part in enumerate(answer.parts) if isinstance(part, CallPart)), len(answer.parts)
        )

    def opening(self) -> bytes:
        """The chunk that brings the role."""
        has_text = self._first_call > 0
        return self._chunk({"role": "assistant", "content": "" if has_text else None, "refusal": None})

    def token(self, part: int, index: int) -> bytes:
        """One token of a text or of a call's arguments."""
        what = self._answer.parts[part]
        if isinstance(what, TextPart):
            return self._before_text + orjson.dumps(what.token(index)) + self._after_text
        position = part - self._first_call
        arguments = {"index": position, "function": {"arguments": what.tokens[index]}}
        chunk = self._chunk({"tool_calls": [arguments]})
        if index > 0:
            return chunk
        begun = {"index": position, **_call(what), "function": {"name": what.name, "arguments": ""}}
        return self._chunk({"tool_calls": [begun]}) + chunk

    def closing(self) -> bytes:
        """The reason of the end, the usage if it was asked for, and `[DONE]`."""
        answer = self._answer
        end = self._chunk({}).replace(
            b'"finish_reason":null', b'"finish_reason":"%b"' % _FINISH[answer.ends].encode(), 1
        )
        if not answer.request.include_usage:
            return end + _DONE
        head, _, _ = self._before.partition(b'"choices":')
        return end + head + b'"choices":[],"usage":' + orjson.dumps(_usage(answer)) + b"}\n\n" + _DONE

    def _chunk(self, delta: JsonObject) -> bytes:
        return self._before + orjson.dumps(delta) + self._after


def _call(part: CallPart) -> JsonObject:
    return {
        "id": f"call_{part.id}",
        "type": "function",
        "function": {"name": part.name, "arguments": part.arguments},
    }


def _usage(answer: Answer) -> JsonObject:
    prompt, completion = answer.request.prompt_tokens, answer.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _tools(value: object) -> tuple[OfferedTool, ...]:
    functions = [as_object((as_object(tool) or {}).get("function")) for tool in as_list(value) or []]
    return tuple(
        OfferedTool(str(function["name"]), as_object(function.get("parameters")) or {})
        for function in functions
        if function is not None and "name" in function
    )


def _forced_tool(choice: Any) -> str | None:
    if choice == "required":
        return ""
    function = as_object((as_object(choice) or {}).get("function"))
    return None if function is None else str(function.get("name", ""))


def _output_schema(value: object) -> JsonObject | None:
    schema = as_object((as_object(value) or {}).get("json_schema"))
    return None if schema is None else as_object(schema.get("schema"))
