"""Calls that a person decides about: how pydantic-ai's tools ask for that, and the arguments that the person gave."""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import Any

import orjson
from pydantic import ValidationError
from pydantic_ai.exceptions import ApprovalRequired, CallDeferred, ModelRetry, ToolFailed
from pydantic_ai.tools import RunContext

from roadworthy.domain.errors import ArgumentsRefused, AskedByTool
from roadworthy.domain.keepable import foreign_words


def asked_by_tool(tool: str, raised: ApprovalRequired | CallDeferred) -> AskedByTool:
    """A tool raises the one to have its call allowed, the other to have somebody else answer it."""
    if isinstance(raised, ApprovalRequired):
        words, about = "the tool itself asks for approval", "approval"
    else:
        words, about = "the tool leaves its answer to somebody else", "input"
    if raised.metadata:
        words = f"{words}: {orjson.dumps(raised.metadata, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()}"
    return AskedByTool(words, about, tool=tool, raised=raised)


async def validated_arguments(ctx: RunContext[Any], tool: str, given: Any) -> dict[str, Any]:
    """The arguments as the tool takes them, checked as if the model had sent them. ArgumentsRefused where they are not
    valid."""
    found = _tool(ctx, tool)
    if found is None:
        raise ArgumentsRefused(f"there is no tool {tool!r} any more")
    try:
        arguments: dict[str, Any] = found.args_validator.validate_json(
            orjson.dumps(given), context=ctx.validation_context
        )
        if found.args_validator_func is not None:
            with suppress(ApprovalRequired, CallDeferred):  # it was allowed
                checked: Any = found.args_validator_func(ctx, **arguments)
                if inspect.isawaitable(checked):
                    await checked
    except (ValidationError, ModelRetry, ToolFailed) as error:
        raise ArgumentsRefused(foreign_words(error)) from error
    return arguments


def is_plain_function(ctx: RunContext[Any], tool: str) -> bool:
    """Whether pydantic-ai runs it in a thread, and nothing of it before."""
    found = _tool(ctx, tool)
    while (within := getattr(found, "source_tool", None)) is not None:
        found = within
    return getattr(found, "is_async", True) is False


def _tool(ctx: RunContext[Any], tool: str) -> Any:
    tools = ctx.tool_manager.tools if ctx.tool_manager is not None else None
    return (tools or {}).get(tool)
