"""Commands that are answered at once, from any number of callers, over one connection."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import hiredis

from roadworthy.adapters.redis.connection import Argument, Connection
from roadworthy.adapters.redis.errors import translated
from roadworthy.adapters.redis.server import RedisServer
from roadworthy.domain.errors import BrokerUnavailable


class Script:
    """A file of `scripts/`, run on the server."""

    def __init__(self, name: str) -> None:
        self.source = (Path(__file__).parent / "scripts" / f"{name}.lua").read_bytes()
        self.digest = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()


class Client:
    """Connects when it is needed, and again after the connection was lost. Methods raise BrokerUnavailable."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        self._failures = 0
        self._closed = False

    async def call(self, *command: Argument) -> Any:
        connection = await self._connected()
        with translated(self._server.where):
            return await connection.call(*command)

    async def call_all(self, commands: Iterable[tuple[Argument, ...]]) -> list[Any]:
        """The replies to commands that are sent together; the first error that comes is raised."""
        connection = await self._connected()
        with translated(self._server.where):
            sent = [connection.send(*command) for command in commands]
            return [await connection.reply(reply) for reply in sent]

    async def run(self, script: Script, keys: Sequence[str | bytes], arguments: Sequence[Argument]) -> Any:
        """Run a script, which the server may have forgotten (a restart, SCRIPT FLUSH, another server)."""
        connection = await self._connected()
        command = ("EVALSHA", script.digest, len(keys), *keys, *arguments)
        with translated(self._server.where):
            try:
                return await connection.call(*command)
            except hiredis.ReplyError as error:
                if not str(error).startswith("NOSCRIPT"):
                    raise
            await connection.call("SCRIPT", "LOAD", script.source)
            return await connection.call(*command)

    async def close(self) -> None:
        self._closed = True
        async with self._connecting:
            if self._connection is not None:
                await self._connection.close()

    async def _connected(self) -> Connection:
        if self._connection is not None and not self._connection.is_lost and not self._closed:
            return self._connection
        seen = self._failures
        async with self._connecting:
            if self._closed:
                raise BrokerUnavailable(f"This connection to Redis at {self._server.where} was closed.")
            if self._connection is not None and not self._connection.is_lost:
                return self._connection
            if self._failures != seen:
                # Somebody tried while we stood in line: a hundred callers must not wait for a hundred deadlines.
                raise BrokerUnavailable(f"Redis at {self._server.where} is away. Tasks are safe in the store.")
            try:
                self._connection = await self._server.open()
            except BrokerUnavailable:
                self._failures += 1
                raise
            return self._connection
