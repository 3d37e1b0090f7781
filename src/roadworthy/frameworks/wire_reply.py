"""Reads text, tool calls and usage out of a reply in the shape of OpenAI's chat completions or Anthropic's messages."""

from __future__ import annotations

from typing import Any, cast

import orjson

_WHOLE = (None, "stop", "tool_calls", "function_call", "end_turn", "stop_sequence", "tool_use")
_ONLY_READ = ("web_search", "web_fetch")
"""Of the tools that Anthropic runs by itself."""


def text_in(reply: Any) -> str:
    if isinstance(reply, str):
        return reply
    if (message := _openai_message(reply)) is not None:
        return str(message.get("content") or "")
    return "".join(str(block.get("text", "")) for block in _anthropic_blocks(reply) if block.get("type") == "text")


def calls_in(reply: Any) -> list[dict[str, Any]]:
    """`{call_id, tool, arguments}` of each tool call."""
    if (message := _openai_message(reply)) is not None:
        return [
            {
                "call_id": call.get("id", ""),
                "tool": call.get("function", {}).get("name", ""),
                "arguments": _decoded(call.get("function", {}).get("arguments")),
            }
            for call in message.get("tool_calls") or ()
        ]
    return [
        {"call_id": block.get("id", ""), "tool": block.get("name", ""), "arguments": block.get("input")}
        for block in _anthropic_blocks(reply)
        if block.get("type") == "tool_use"
    ]


def is_cut(reply: Any) -> bool:
    """Whether it ended at the limit of its output."""
    return _end(reply) in ("length", "max_tokens")


def has_acted(reply: Any) -> bool:
    """Whether Anthropic ran a tool for it that may have done more than read: one of an MCP server, code, …"""
    return any(
        block.get("type") == "mcp_tool_use"
        or (block.get("type") == "server_tool_use" and block.get("name") not in _ONLY_READ)
        for block in _anthropic_blocks(reply)
    )


def is_whole(reply: Any) -> bool:
    """Whether it ended as its model wanted it to, as far as the reply says how it ended, and says anything at all."""
    return _end(reply) in _WHOLE and (
        _is_in_a_shape_of_its_own(reply) or bool(text_in(reply).strip() or calls_in(reply))
    )


def _is_in_a_shape_of_its_own(reply: Any) -> bool:
    """It is neither text nor in one of the two shapes: nobody can tell what it says."""
    is_anthropic = isinstance(_object(reply).get("content"), list)
    return not (isinstance(reply, str) or is_anthropic or _openai_message(reply) is not None)


def _end(reply: Any) -> Any:
    choices = _object(reply).get("choices")
    if isinstance(choices, list) and choices:
        return _object(cast(list[Any], choices)[0]).get("finish_reason")
    return _object(reply).get("stop_reason")


def usage_in(reply: Any) -> dict[str, int]:
    """`input_tokens, output_tokens, cache_read_tokens, cache_write_tokens`, as far as the reply says so. Those that a
    prompt cache saved or kept are counted among the input tokens, too."""
    usage = _object(_object(reply).get("usage"))
    if "prompt_tokens" in usage:
        counts = {
            "input_tokens": usage["prompt_tokens"],
            "output_tokens": usage.get("completion_tokens"),
            "cache_read_tokens": _object(usage.get("prompt_tokens_details")).get("cached_tokens"),
        }
    else:
        counts = {
            "input_tokens": usage.get("input_tokens"),
            "output_tokens": usage.get("output_tokens"),
            "cache_read_tokens": usage.get("cache_read_input_tokens"),
            "cache_write_tokens": usage.get("cache_creation_input_tokens"),
        }
        if isinstance(counts["input_tokens"], int):
            # Anthropic counts the three apart.
            cached = (counts["cache_read_tokens"], counts["cache_write_tokens"])
            counts["input_tokens"] += sum(count for count in cached if isinstance(count, int))
    return {name: count for name, count in counts.items() if isinstance(count, int)}


def _openai_message(reply: Any) -> dict[str, Any] | None:
    choices = _object(reply).get("choices")
    if isinstance(choices, list) and choices:
        return _object(_object(cast(list[Any], choices)[0]).get("message"))
    return None


def _anthropic_blocks(reply: Any) -> list[dict[str, Any]]:
    content = _object(reply).get("content")
    return [_object(block) for block in cast(list[Any], content)] if isinstance(content, list) else []


def _object(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def _decoded(arguments: Any) -> Any:
    try:
        return orjson.loads(arguments)
    except (TypeError, orjson.JSONDecodeError):
        return arguments
