"""One MCP server as all runs of this process share it: connected while one of them needs it, anew after it died."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from contextvars import Context
from pathlib import Path
from typing import Any, cast
from weakref import WeakKeyDictionary

from pydantic_ai.tools import ToolDefinition

from roadworthy.domain.errors import ToolCallFailed
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.keepable import foreign_words
from roadworthy.frameworks.pydantic_ai.mcp_arguments import Check, check_of

CONNECT_SECONDS = 20
"""Where the server's own limit, 5 s unless its owner says otherwise, was taken away."""
PING_SECONDS = 2
CLOSE_SECONDS = 5


class MCPConnection:
    """To the server of one `MCPToolset`. As in pydantic-ai, runs at the same time share its session."""

    def __init__(self, toolset: Any) -> None:
        self._toolset = toolset
        self._changing = asyncio.Lock()
        self._runs = 0
        self._is_open = False
        self._is_doubted = False
        self._checks: dict[str, tuple[dict[str, Any], Check]] = {}
        self.calls = 0
        """Under way."""
        self.opened = 0
        """How often: who saw it break says which one."""

    def join(self) -> None:
        """A run begins to use it."""
        self._runs += 1

    async def leave(self) -> None:
        """A run has ended; the last one closes it."""
        self._runs -= 1
        if self._runs:
            return
        async with self._changing:
            if not self._runs:
                await self._close()

    async def open(self) -> None:
        """Returns once the server is there. ToolCallFailed if it can't be reached; then nothing was asked of it."""
        async with self._changing:
            if self._is_doubted and not self.calls:
                self._is_doubted = False
                if self._is_open and not await self._answers():
                    await self._close(kill=True)
            if self._is_open:
                return
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    # Not in the context of a task: the session outlives it, and serves others.
                    await _apart(self._toolset.__aenter__())
            except Exception as error:
                raise ToolCallFailed(
                    f"the MCP server {name_of(self._toolset)} can't be reached ({type(error).__name__}: "
                    f"{foreign_words(error)})",
                    FailureClass.TOOL_UNREACHABLE,
                ) from error
            self._is_open = True
            self.opened += 1

    def what_is_wrong(self, tool: ToolDefinition, arguments: dict[str, Any]) -> str | None:
        """Of arguments that do not fit the server's own schema of a tool, in words for the model."""
        schema, check = self._checks.get(tool.name, (None, None))
        if check is None or schema != tool.parameters_json_schema:
            check = check_of(tool.parameters_json_schema)
            self._checks[tool.name] = tool.parameters_json_schema, check
        return check(arguments)

    async def broke(self, opened: int) -> None:
        """The next call connects anew. Without effect for another connection than the one that broke."""
        async with self._changing:
            if opened == self.opened:
                await self._close()

    def doubt(self) -> None:
        """A call did not come back in time: before the next one, once no other is under way, the server must answer."""
        self._is_doubted = True

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(PING_SECONDS):
                await _apart(self._toolset.client.ping())
        except Exception as error:
            # It may not know what a ping is; that is an answer.
            return is_answer(error)
        return True

    async def _close(self, *, kill: bool = False) -> None:
        if not self._is_open:
            return
        self._is_open = False
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                # To its end, whatever becomes of who waits for it: half closed, it could not be opened again.
                await asyncio.shield(_apart(self._end(kill)))

    async def _end(self, kill: bool) -> None:
        with suppress(Exception):
            await self._toolset.__aexit__(None, None, None)
        if kill:
            # A server over stdio is kept for later sessions, even one that hangs.
            with suppress(Exception):
                await self._toolset.client.transport.close()


_CONNECTION_CLOSED, _REQUEST_TIMEOUT = -32000, {-32001, 408}
_of_toolset: WeakKeyDictionary[Any, MCPConnection] = WeakKeyDictionary()


def connection_of(toolset: Any) -> MCPConnection:
    """The same for all runs of a toolset; a copy that pydantic-ai makes for one run has its own."""
    if (connection := _of_toolset.get(toolset)) is None:
        connection = _of_toolset[toolset] = MCPConnection(toolset)
    return connection


def name_of(toolset: Any) -> str:
    """What people know a server by: the `id` of its toolset, else its host or its program."""
    transport = toolset.client.transport
    return toolset.id or Path(getattr(transport, "command", type(transport).__name__)).name


def answered_code(error: BaseException | None) -> int | None:
    """The code of an error that the server, or the client in its place, gave as the answer to a request."""
    one: Any = error
    while isinstance(one, BaseExceptionGroup):
        one = cast(BaseExceptionGroup[BaseException], one).exceptions[0]
    code = getattr(getattr(one, "error", None), "code", None)
    return code if isinstance(code, int) else None


def is_answer(error: BaseException | None) -> bool:
    code = answered_code(error)
    return code is not None and code != _CONNECTION_CLOSED and code not in _REQUEST_TIMEOUT


def is_late(error: BaseException | None) -> bool:
    return isinstance(error, TimeoutError) or answered_code(error) in _REQUEST_TIMEOUT


_apart_tasks: set[asyncio.Task[Any]] = set()
"""The event loop alone would not keep them."""


def _apart(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """In no task's context."""
    task = asyncio.create_task(work, context=Context())
    _apart_tasks.add(task)
    task.add_done_callback(_apart_tasks.discard)
    return task
