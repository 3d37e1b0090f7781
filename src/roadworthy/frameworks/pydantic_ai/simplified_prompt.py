"""A shorter request for the last resort, when no model has answered the whole one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters

from roadworthy.core.outage import Outage
from roadworthy.domain.keepable import foreign_words

RESULT_CHARACTERS = 2_000
"""Of one tool's result."""
ALL_RESULTS_CHARACTERS = 12_000
"""Of all; the newest count."""
_FOUND = "What was found out so far:"
_NO_TOOLS = "Nothing more can be looked up now: answer as well as you can with what is here."

Simplify = Callable[[Sequence[Any]], Sequence[Any]]


class SimplifiedPrompt:
    """One a service. `rule` is the service's own; without one, or where it fails: the instructions, the newest message
    of the user, and as text what tools have answered since."""

    def __init__(self, rule: Simplify | None = None, service: str = "") -> None:
        self._rule = rule
        self._service = service
        self._outage = Outage("simplify_failed", "simplify_works", level="error")

    def of(
        self, messages: Sequence[ModelMessage], parameters: ModelRequestParameters
    ) -> tuple[list[ModelMessage], ModelRequestParameters]:
        """Without function tools, unless calls of them are left in the messages, which providers refuse otherwise."""
        shorter = self._by_rule(messages) or simplified(messages)
        if any(isinstance(part, ToolCallPart) for message in shorter for part in message.parts):
            return shorter, parameters
        return shorter, replace(parameters, function_tools=[], native_tools=[], tool_visibility=None)

    def _by_rule(self, messages: Sequence[ModelMessage]) -> list[ModelMessage] | None:
        if self._rule is None:
            return None
        try:
            shorter = _checked(self._rule(list(messages)))
        except Exception as error:
            self._outage.goes_on(f"{type(error).__name__}: {foreign_words(error)}", service=self._service)
            return None
        self._outage.is_over()
        return shorter


def simplified(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    """The default rule."""
    at = max((index for index, message in enumerate(messages) if _prompts(message)), default=None)
    if at is None:
        return list(messages)
    asked = cast(ModelRequest, messages[at])
    results = [part for message in messages[at:] for part in message.parts if isinstance(part, ToolReturnPart)]
    systems = [part for message in messages for part in message.parts if isinstance(part, SystemPromptPart)]
    prompt = _with_results(_prompts(asked)[-1], results)
    return [replace(asked, parts=[*(part for part in systems if part.scope == "conversation"), prompt])]


def _prompts(message: ModelMessage) -> list[UserPromptPart]:
    return [part for part in message.parts if isinstance(part, UserPromptPart)]


def _with_results(prompt: UserPromptPart, results: Sequence[ToolReturnPart]) -> UserPromptPart:
    lines: list[str] = []
    left = ALL_RESULTS_CHARACTERS
    for result in reversed(results):
        line = f"- {result.tool_name}: {_cut(result.model_response_str())}"
        left -= len(line)
        if left < 0:
            break
        lines.insert(0, line)
    added = "\n".join([_FOUND, *lines, _NO_TOOLS] if lines else [_NO_TOOLS])
    if isinstance(prompt.content, str):
        return replace(prompt, content=f"{prompt.content}\n\n{added}")
    content: list[UserContent] = [*prompt.content, added]
    return replace(prompt, content=content)


def _cut(text: str) -> str:
    return text if len(text) <= RESULT_CHARACTERS else f"{text[: RESULT_CHARACTERS - 1]}…"


def _checked(messages: Sequence[Any]) -> list[ModelMessage]:
    found = list(messages)
    if not found or not all(isinstance(message, ModelRequest | ModelResponse) for message in found):
        raise TypeError("simplify must return messages of pydantic-ai, at least one")
    if not isinstance(found[-1], ModelRequest):
        raise TypeError("the last of the messages that simplify returns must be a ModelRequest")
    return found
