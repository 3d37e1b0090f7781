"""HTTP/1.1 on a bare protocol: the client of the load and of the reference, so that neither is what is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

OnBody = Callable[[bytes], None]


class Answer(NamedTuple):
    status: int
    body: bytes
    """Empty where the pieces went to a callback."""


class HttpClient:
    """Any number of requests at once to one server, over kept connections. Raises ConnectionError when one is lost."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._prefix = address.path.rstrip("/")
        self._idle: list[_Connection] = []

    async def get(self, path: str, on_body: OnBody | None = None) -> Answer:
        return await self._exchange(
            f"GET {self._prefix}{path} HTTP/1.1\r\nhost: {self._host}\r\n\r\n".encode(), on_body
        )

    async def post(
        self, path: str, body: bytes, on_body: OnBody | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = (
            f"POST {self._prefix}{path} HTTP/1.1\r\nhost: {self._host}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n{more}\r\n"
        )
        return await self._exchange(head.encode() + body, on_body)

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _exchange(self, request: bytes, on_body: OnBody | None) -> Answer:
        connection = await self._connection()
        try:
            answer = await connection.exchange(request, on_body)
        except BaseException:
            connection.close()
            raise
        if connection.reusable:
            self._idle.append(connection)
        return answer

    async def _connection(self) -> _Connection:
        # The latest first: the others may be closed by the server while nobody needs them.
        while self._idle:
            if (connection := self._idle.pop()).reusable:
                return connection
        _, connection = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        return connection


class _Connection(asyncio.Protocol):
    """One request at a time."""

    _transport: asyncio.Transport
    _parser: httptools.HttpResponseParser
    _answered: asyncio.Future[Answer] | None = None
    reusable = True

    def exchange(self, request: bytes, on_body: OnBody | None) -> asyncio.Future[Answer]:
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._on_body = on_body or self._pieces.append
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answered

    def close(self) -> None:
        self.reusable = False
        self._transport.close()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop shares no class with asyncio

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc)

    # httptools

    def on_body(self, body: bytes) -> None:
        self._on_body(body)

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.reusable = False
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(Answer(self._parser.get_status_code(), b"".join(self._pieces)))

    def _fail(self, error: Exception | None) -> None:
        self.reusable = False
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ConnectionError(f"the connection was lost: {error or 'closed by the server'}"))
