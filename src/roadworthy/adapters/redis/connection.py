"""One connection: commands go out in order, replies come back in order, and none waits for the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import hiredis

CALL_SECONDS = 2.0
"""How long a reply may take before the connection counts as dead."""

Argument = str | bytes | int | float
OnMessage = Callable[[bytes, bytes], None]
"""Channel and payload of a published message."""

_pack: Callable[[tuple[Argument, ...]], bytes] = cast(Any, hiredis).pack_command
_INCOMPLETE = object()


class Connection(asyncio.Protocol):
    """Made by `RedisServer.open`. Once it is lost, it stays lost.

    Speaks RESP2, where published messages are the only thing that comes without having been asked for.
    """

    def __init__(self, on_message: OnMessage | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(protocolError=_protocol_error, notEnoughData=_INCOMPLETE)
        self._on_message = on_message
        self._transport: asyncio.Transport | None = None
        self._awaited: deque[asyncio.Future[Any]] = deque()
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._gone = asyncio.Event()
        self.bytes_heard = 0

    @property
    def is_lost(self) -> bool:
        return self._lost.done()

    def send(self, *command: Argument) -> asyncio.Future[Any]:
        """The reply to come: a value, or a hiredis.ReplyError as a value; it raises OSError if the connection is lost.

        A caller may stop waiting at any time.
        """
        reply: asyncio.Future[Any] = self._loop.create_future()
        if self._transport is None or self._lost.done():
            _fail(reply, ConnectionResetError("the connection was lost"))
            return reply
        self._transport.write(_pack(command))
        self._awaited.append(reply)
        return reply

    async def reply(self, reply: asyncio.Future[Any], seconds: float = CALL_SECONDS) -> Any:
        """The value of a reply. Raises hiredis.ReplyError, or OSError; without a reply in time the connection ends."""
        deadline = self._loop.call_later(seconds, self.abort, TimeoutError())
        try:
            value = await reply
        finally:
            deadline.cancel()
        if isinstance(value, hiredis.ReplyError):
            raise value
        return value

    async def call(self, *command: Argument, seconds: float = CALL_SECONDS) -> Any:
        return await self.reply(self.send(*command), seconds)

    async def lost_within(self, seconds: float) -> bool:
        """Wait until the connection is lost, for so many seconds at most."""
        await asyncio.wait([self._lost], timeout=seconds)
        return self._lost.done()

    def abort(self, reason: OSError | None = None) -> None:
        """End it now; everything still awaited fails with `reason`."""
        if self._transport is not None:
            self._transport.abort()
        self._end(reason or ConnectionAbortedError("the connection was closed"))

    async def close(self) -> None:
        """End it and wait until the loop has let go of it."""
        self.abort()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), CALL_SECONDS)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without saying so

    def data_received(self, data: bytes) -> None:
        self.bytes_heard += len(data)
        reader, on_message = self._reader, self._on_message
        reader.feed(data)
        try:
            while (value := reader.gets()) is not _INCOMPLETE:
                if on_message is not None and _is_message(value):
                    on_message(value[1], value[2])
                elif self._awaited:
                    reply = self._awaited.popleft()
                    if not reply.done():
                        reply.set_result(value)
        except OSError as error:
            self.abort(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set()
        self._end(exc if isinstance(exc, OSError) else ConnectionResetError("the server closed the connection"))

    def _end(self, reason: OSError) -> None:
        if self._lost.done():
            return
        self._lost.set_result(None)
        awaited, self._awaited = self._awaited, deque()
        for reply in awaited:
            _fail(reply, reason)


def _is_message(value: Any) -> bool:
    if type(value) is not list:
        return False
    parts = cast(list[Any], value)
    return len(parts) == 3 and parts[0] == b"message"


def _fail(reply: asyncio.Future[Any], reason: OSError) -> None:
    if not reply.done():
        reply.set_exception(reason)
        reply.exception()  # nobody has to be waiting for it


def _protocol_error(message: str) -> OSError:
    return ConnectionError(f"not the Redis protocol: {message}")
