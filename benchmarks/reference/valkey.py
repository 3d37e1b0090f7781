"""A Valkey client at its barest: commands of one loop tick in one write."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

import hiredis


class Valkey(asyncio.Protocol):
    """`send` gives the future reply; with `on_push`, everything received goes there instead."""

    _transport: asyncio.Transport

    def __init__(self, on_push: Callable[[Any], None] | None = None) -> None:
        self._reader = hiredis.Reader()
        self._asked: deque[asyncio.Future[Any]] = deque()
        self._unsent: list[bytes] = []
        self._on_push = on_push

    @classmethod
    async def connect(cls, url: str, on_push: Callable[[Any], None] | None = None) -> Valkey:
        """`url` as for redis-py: `unix://PATH` or `redis://HOST:PORT`."""
        loop, address = asyncio.get_running_loop(), urlsplit(url)
        if address.scheme == "unix":
            _, connection = await loop.create_unix_connection(lambda: cls(on_push), address.path)
        else:
            _, connection = await loop.create_connection(lambda: cls(on_push), address.hostname, address.port)
        return connection

    def send(self, *command: Any) -> asyncio.Future[Any]:
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._on_push is None:
            self._asked.append(reply)
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._write)
        self._unsent.append(hiredis.pack_command(command))
        return reply

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop shares no class with asyncio

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        # The reader says False for "no whole reply yet".
        while (reply := self._reader.gets()) is not False:
            if self._on_push is not None:
                self._on_push(reply)
            elif not (asked := self._asked.popleft()).done():
                if isinstance(reply, Exception):
                    asked.set_exception(reply)
                else:
                    asked.set_result(reply)

    def _write(self) -> None:
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()
