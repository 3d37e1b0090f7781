"""A request to the model, whichever wire it came in on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from roadworthy.testing.simulated_provider.json_values import JsonObject
from roadworthy.testing.simulated_provider.prompt_cache import NOT_CACHED, Cached


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool that the model may call: its name and the JSON schema of its arguments."""

    name: str
    schema: JsonObject


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What the answer depends on."""

    wire: Literal["openai", "anthropic"]
    model: str
    stream: bool
    include_usage: bool
    """Whether a stream ends with a chunk of usage numbers (OpenAI wire)."""
    key: str
    """The text of the conversation's first user message."""
    message: str
    """The text of the latest user message."""
    turn: int
    """Answers of the model since the latest user message."""
    depth: int
    """Answers of the model in the whole conversation."""
    tools: tuple[OfferedTool, ...]
    forced_tool: str | None
    """None: the model is free; empty: it must call some tool; else: it must call this one."""
    output_schema: JsonObject | None
    """The JSON schema which the text must follow, if the request has one."""
    max_tokens: int | None
    prompt_tokens: int
    """A quarter of the request's bytes, without what is cached."""
    cached: Cached = NOT_CACHED
