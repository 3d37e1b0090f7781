"""The tools of an MCP server in one run: listed in the journal for replays, and called through the gate like others."""

from __future__ import annotations

import asyncio
import copy
import sys
import zlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic_ai.exceptions import ModelRetry, ToolFailed
from pydantic_ai.tools import RunContext, ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool, WrapperToolset

from roadworthy.core.execution.gate import Gate
from roadworthy.core.scope import surroundings
from roadworthy.domain.effect import NotDone
from roadworthy.domain.errors import RoadworthyError, ToolCallFailed
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.keepable import foreign_words
from roadworthy.frameworks.pydantic_ai.mcp_connection import (
    MCPConnection,
    answered_code,
    connection_of,
    is_answer,
    is_late,
    name_of,
)

IDEMPOTENCY_KEY = "roadworthy/idempotency-key"
"""In a request's `_meta`: what `current_call()` says within tools of Python."""
_BEFORE_THE_CALL = {-32700, -32600, -32601, -32602}
"""JSON-RPC: not understood, no such method, invalid parameters."""


def with_mcp_under_gate(toolset: AbstractToolset[Any], gate: Gate) -> AbstractToolset[Any]:
    """The toolset of a run, with each MCP server in it connected to only where it is needed."""
    mcp: Any = sys.modules.get("pydantic_ai.mcp")
    if mcp is None:
        return toolset
    servers = 0

    def wrapped(leaf: AbstractToolset[Any]) -> AbstractToolset[Any]:
        nonlocal servers
        if not isinstance(leaf, mcp.MCPToolset):
            return leaf
        servers += 1
        return MCPTools(leaf, gate, servers - 1)

    return toolset.visit_and_replace(wrapped)


@dataclass
class MCPTools(WrapperToolset[Any]):
    """Of one server in one run of an agent."""

    gate: Gate
    place: int
    """Among the servers of the agent."""
    _connection: MCPConnection | None = field(default=None, init=False, repr=False)
    _offered: dict[str, ToolsetTool[Any]] | None = field(default=None, init=False, repr=False)
    """By the server itself, in this attempt."""
    _kept: list[ToolDefinition] | None = field(default=None, init=False, repr=False)

    @property
    def id(self) -> str | None:
        return self.wrapped.id

    @property
    def label(self) -> str:
        return self.wrapped.label

    async def __aenter__(self) -> MCPTools:
        return self

    async def __aexit__(self, *args: Any) -> bool | None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.leave()
        return None

    async def get_instructions(self, ctx: RunContext[Any]) -> Any:
        server: Any = self.wrapped
        if not server.include_instructions or self.gate.offered_tools.replayed(self.place) is not None:
            return None
        await self._open()
        return await server.get_instructions(ctx)

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        server: Any = self.wrapped
        if (replayed := self.gate.offered_tools.replayed(self.place)) is not None:
            self._kept = _definitions().validate_json(zlib.decompress(replayed))
            return {tool.name: server.tool_for_tool_def(tool, ctx=ctx) for tool in self._kept}
        try:
            tools = await self._ask(ctx)
        except ToolCallFailed:
            if self._kept is None:
                raise
            # What it offered before is still what the model may ask for; its calls say what is wrong.
            return {tool.name: server.tool_for_tool_def(tool, ctx=ctx) for tool in self._kept}
        definitions = [tool.tool_def for tool in tools.values()]
        if definitions != self._kept:
            self._kept = definitions
            payload = zlib.compress(_definitions().dump_json(definitions))
            self.gate.offered_tools.keep(self.place, name_of(server), list(tools), payload)
        return tools

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        """What the server gave back. ToolCallFailed where it died, broke off or answered rubbish; NotDone in its place
        where a `once` call certainly did not reach it."""
        once = self.gate.attempt.service.policy(ctx.tool_name or name).effect == "once"
        try:
            offered = self._offered or await self._ask(ctx)
            connection = await self._open()
        except ToolCallFailed as error:
            if once:
                raise NotDone(error.message) from error
            raise
        if (now := offered.get(name)) is None:
            raise ToolFailed(f"{name_of(self.wrapped)} does not offer {name} any more")
        if (wrong := connection.what_is_wrong(now.tool_def, tool_args)) is not None:
            # The server would report it like anything that went wrong in the middle of the effect.
            raise ModelRetry(wrong)
        opened = connection.opened
        connection.calls += 1
        try:
            return await _with_key(self.wrapped).call_tool(name, tool_args, ctx, now)
        except asyncio.CancelledError:
            connection.doubt()
            raise
        except (RoadworthyError, NotDone):
            raise
        except (ModelRetry, ToolFailed) as told:
            failed = _failure_behind(told, once)
            if failed is None:
                raise
            if failed.failure is FailureClass.TOOL_UNREACHABLE:
                await connection.broke(opened)
            raise failed from told
        except Exception as error:
            if is_answer(error) or type(error).__module__.startswith("fastmcp.exceptions"):
                raise ToolCallFailed(foreign_words(error)) from error
            await connection.broke(opened)
            failure = FailureClass.TOOL_TIMED_OUT if is_late(error) else FailureClass.TOOL_UNREACHABLE
            raise ToolCallFailed(self._in_words(error), failure) from error
        finally:
            connection.calls -= 1

    async def _ask(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        connection = await self._open()
        opened = connection.opened
        try:
            self._offered = await self.wrapped.get_tools(ctx)
        except Exception as error:
            await connection.broke(opened)
            raise ToolCallFailed(self._in_words(error), FailureClass.TOOL_UNREACHABLE) from error
        return self._offered

    async def _open(self) -> MCPConnection:
        if self._connection is None:
            self._connection = connection_of(self.wrapped)
            self._connection.join()
        await self._connection.open()
        return self._connection

    def _in_words(self, error: BaseException) -> str:
        return f"the MCP server {name_of(self.wrapped)} broke off ({type(error).__name__}: {foreign_words(error)})"


def _failure_behind(told: ModelRetry | ToolFailed, once: bool) -> ToolCallFailed | None:
    """The failure that pydantic-ai has the model told in words; None where these are words for the model indeed.

    A server's tools report whatever they raise as an error: of a `once` call nobody knows then whether it happened. Who
    says `tool_error_behavior="failed"` vouches that it did not.
    """
    cause = told.__cause__
    if cause is None:
        if not once or isinstance(told, ToolFailed):
            return None
        return ToolCallFailed(f"the tool reported an error: {told}", FailureClass.TOOL_SERVICE_FAILED)
    if not is_answer(cause):
        late = is_late(cause)
        failure = FailureClass.TOOL_TIMED_OUT if late else FailureClass.TOOL_UNREACHABLE
        return ToolCallFailed(f"the MCP server {'was too slow' if late else 'died or hung up'} ({told})", failure)
    if not once or answered_code(cause) in _BEFORE_THE_CALL:
        return None
    return ToolCallFailed(f"the MCP server answered with an error: {told}", FailureClass.TOOL_SERVICE_FAILED)


def _with_key(server: Any) -> Any:
    """The server's toolset, telling the server the idempotency key of the present call."""
    here = surroundings.get()
    if here is None or here.started is None:
        return server
    meta, own = {IDEMPOTENCY_KEY: here.started.idempotency_key}, server.process_tool_call

    async def process(ctx: RunContext[Any], call: Any, name: str, arguments: dict[str, Any]) -> Any:
        async def keyed(name: str, arguments: dict[str, Any], *, metadata: dict[str, Any] | None = None) -> Any:
            return await call(name, arguments, metadata=meta | (metadata or {}))

        return await (own(ctx, keyed, name, arguments) if own is not None else keyed(name, arguments))

    told = copy.copy(server)
    told.process_tool_call = process
    return told


@cache
def _definitions() -> TypeAdapter[list[ToolDefinition]]:
    return TypeAdapter(list[ToolDefinition])
