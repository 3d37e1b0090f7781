"""What the simulated model says to one request: a pure function of request, number and settings."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import orjson

from roadworthy.testing.simulated_provider.draws import draw_bits
from roadworthy.testing.simulated_provider.generated import generate_tokens, generate_value, split_tokens
from roadworthy.testing.simulated_provider.json_values import JsonObject
from roadworthy.testing.simulated_provider.model_name import Behaviour
from roadworthy.testing.simulated_provider.model_request import ModelRequest, OfferedTool
from roadworthy.testing.simulated_provider.script import Reply, ScriptedCall
from roadworthy.testing.simulated_provider.settings import ProviderSettings

_BROKEN_ARGUMENTS = '{"broken": tru'
_UNKNOWN_TOOL = "tool_that_nobody_has"
_ARGUMENT_TOKEN_LENGTH = 12
_OUTPUT_TOOL = "final_result"
"""How agent frameworks name the tool that takes the answer; calling it before the end would end the run."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text of an answer, in tokens; stamped ones get their text when they are sent."""

    tokens: Sequence[str]
    stamped: bool = False

    def token(self, index: int) -> str:
        """The text of one token, as it is sent now."""
        return f"@{time.monotonic_ns() // 1000}@" if self.stamped else self.tokens[index]

    def text(self) -> str:
        """The whole text, as it is sent now."""
        return "".join(map(self.token, range(len(self.tokens)))) if self.stamped else "".join(self.tokens)


@dataclass(frozen=True, slots=True)
class CallPart:
    """A tool call of an answer; `arguments` is JSON, unless it is broken on purpose."""

    id: str
    name: str
    arguments: str
    tokens: Sequence[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request, not yet in any wire's shape."""

    id: str
    request: ModelRequest
    parts: tuple[TextPart | CallPart, ...]
    ends: Literal["stop", "tools", "length"]
    completion_tokens: int


def compose_answer(request: ModelRequest, number: int, behaviour: Behaviour, settings: ProviderSettings) -> Answer:
    """The answer to request `number` (counted from 1)."""
    bits = _bits(request, number, settings)
    reply = settings.script.reply(request.model, request.message, request.turn, request.depth)
    if reply is None:
        reply = _unscripted(request, behaviour)
    text = _text_tokens(reply, request, bits, behaviour)
    ends: Literal["stop", "tools", "length"] = "stop"
    if request.max_tokens is not None and len(text) > request.max_tokens:
        text, ends = text[: request.max_tokens], "length"
    calls = _calls(reply, request)
    stamped = behaviour.stamp_tokens and reply.text is None and request.output_schema is None
    parts: list[TextPart | CallPart] = [TextPart(text, stamped)] if text or not calls else []
    for index, (name, arguments) in enumerate(calls):
        if arguments is None:
            arguments = _generated_arguments(request, name, bits + index)
        # Real providers never give the same id twice, so the id depends on the number, not on the content.
        call_id = f"{draw_bits(settings.seed, 'call', f'{number}.{index}'):016x}"
        tokens = [arguments[i : i + _ARGUMENT_TOKEN_LENGTH] for i in range(0, len(arguments), _ARGUMENT_TOKEN_LENGTH)]
        parts.append(CallPart(call_id, name, arguments, tokens))
        ends = "tools"
    answer_id = f"{draw_bits(settings.seed, 'answer', number):016x}"
    return Answer(answer_id, request, tuple(parts), ends, sum(len(part.tokens) for part in parts))


def _bits(request: ModelRequest, number: int, settings: ProviderSettings) -> int:
    if settings.text_by == "request":
        return draw_bits(settings.seed, "text", number)
    return draw_bits(settings.seed, request.model, f"{request.key}|{request.message}|{request.turn}|{request.depth}")


def _unscripted(request: ModelRequest, behaviour: Behaviour) -> Reply:
    """What the model's name asks for: nonsense first, then rounds of tool calls, then text."""
    if behaviour.nonsense and request.turn == 0:
        return Reply(nonsense="arguments")
    if request.turn < behaviour.rounds and request.tools:
        usual = [tool for tool in request.tools if not tool.name.startswith(_OUTPUT_TOOL)] or request.tools
        first = request.turn * behaviour.calls
        return Reply(calls=tuple(ScriptedCall(usual[(first + i) % len(usual)].name) for i in range(behaviour.calls)))
    if request.forced_tool is not None and request.tools:
        # Frameworks list the tool that takes the answer last.
        return Reply(calls=(ScriptedCall(request.forced_tool or request.tools[-1].name),))
    return Reply()


def _text_tokens(reply: Reply, request: ModelRequest, bits: int, behaviour: Behaviour) -> list[str]:
    if reply.text is not None:
        return split_tokens(reply.text)
    if reply.calls or reply.nonsense:
        return []
    if request.output_schema is not None and reply.tokens is None:
        return split_tokens(orjson.dumps(generate_value(request.output_schema, bits)).decode())
    return generate_tokens(bits, behaviour.tokens if reply.tokens is None else reply.tokens)


def _calls(reply: Reply, request: ModelRequest) -> list[tuple[str, str | None]]:
    if reply.nonsense == "tool":
        return [(_UNKNOWN_TOOL, "{}")]
    if reply.nonsense == "arguments":
        return [(request.tools[0].name if request.tools else _UNKNOWN_TOOL, _BROKEN_ARGUMENTS)]
    return [
        (call.name, None if call.arguments is None else orjson.dumps(call.arguments).decode()) for call in reply.calls
    ]


def _generated_arguments(request: ModelRequest, name: str, bits: int) -> str:
    tool: OfferedTool | None = next((tool for tool in request.tools if tool.name == name), None)
    schema: JsonObject = {} if tool is None else tool.schema
    return orjson.dumps(generate_value(schema, bits)).decode()
