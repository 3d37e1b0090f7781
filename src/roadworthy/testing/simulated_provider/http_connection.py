"""One HTTP/1.1 connection, on httptools: requests in, one answer at a time out."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, cast

import httptools

_LARGEST_BODY = 64 * 1024 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A complete request; `target` is path and query as they were sent."""

    method: bytes
    target: bytes
    body: bytes
    keep_alive: bool


class Abortable(Protocol):
    """Work for a client that may go away."""

    def abort(self) -> None:
        """The client went away."""
        ...


class Connection(asyncio.Protocol):
    """Parses requests and hands them on one after the other; the next one waits until the answer is complete."""

    def __init__(self, on_request: Callable[[Connection, HttpRequest], None], all_connections: set[Connection]) -> None:
        self._on_request = on_request
        self._all = all_connections
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._body: list[bytes] = []
        self._size = 0
        self._next: deque[HttpRequest] = deque()
        self._busy = False
        self._keep_alive = True
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the connection has ended."""
        self.work: Abortable | None = None
        """What is under way for the current request; told when the client goes away."""

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport without being one.
        self._transport = cast(asyncio.Transport, transport)
        self._all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.discard(self)
        self._next.clear()
        if self.work is not None:
            self.work.abort()
            self.work = None
        self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._transport.close()
        except httptools.HttpParserError:
            self.send(400, b'{"error":{"message":"this is not HTTP","type":"invalid_request_error"}}', close=True)

    # httptools

    def on_message_begin(self) -> None:
        self._target, self._body, self._size = b"", [], 0

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= _LARGEST_BODY:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._size > _LARGEST_BODY:
            self.send(413, b'{"error":{"message":"larger than 64 MiB","type":"request_too_large"}}', close=True)
            return
        request = HttpRequest(
            self._parser.get_method(), self._target, b"".join(self._body), self._parser.should_keep_alive()
        )
        if self._busy:
            self._next.append(request)
        else:
            self._begin(request)

    # answers

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport.is_closing()

    def send(self, status: int, body: bytes, headers: str = "", *, close: bool = False, cut_at: int = -1) -> None:
        """A complete JSON answer; `headers` are lines that end in CRLF. With `cut_at`, end the connection there."""
        head = (
            f"HTTP/1.1 {status} {_reason(status)}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n{headers}\r\n"
        )
        if cut_at >= 0:
            self._transport.write(head.encode() + body[:cut_at])
            self._transport.close()
            return
        self._transport.write(head.encode() + body)
        self._end(close)

    def begin_stream(self, headers: str = "") -> bytes:
        """The head of a stream of events, to be written together with its first events."""
        return (
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
            f"transfer-encoding: chunked\r\n{headers}\r\n"
        ).encode()

    def write_stream(self, events: bytes, head: bytes = b"", *, last: bool = False) -> None:
        """Events of a stream, with the head before the first ones; `last` ends it."""
        end = b"\r\n0\r\n\r\n" if last else b"\r\n"
        self._transport.write(b"%b%x\r\n%b%b" % (head, len(events), events, end))
        if last:
            self._end(False)

    def cut(self) -> None:
        """End the connection after what was written so far."""
        self._transport.close()

    def reset(self) -> None:
        """End the connection at once, with a TCP reset."""
        sock: socket.socket | None = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def _begin(self, request: HttpRequest) -> None:
        self._busy, self._keep_alive = True, request.keep_alive
        self._on_request(self, request)

    def _end(self, close: bool) -> None:
        self.work = None
        if close or not self._keep_alive:
            self._transport.close()
        elif self._next:
            # Not at once: a thousand requests sent ahead would be a thousand nested calls.
            asyncio.get_running_loop().call_soon(self._begin_next)
        else:
            self._busy = False

    def _begin_next(self) -> None:
        if self._next and not self.closed:
            self._begin(self._next.popleft())


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded" if status == 529 else "Error"
