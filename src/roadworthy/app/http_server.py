"""Runs an ASGI app on a port in the event loop that is there."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from roadworthy.domain.errors import PortTaken

GRACE_SECONDS = 5
BACKLOG = 2048
MOST_HEAD_BYTES = 64 * 1024


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals belong to the process, which has more to end than this server."""
        yield


def listening_socket(host: str, port: int) -> socket.socket:
    """A bound socket; PortTaken when something else has the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        why = f"cannot listen on {host}:{port} ({error.strerror})"
        raise PortTaken(f"{why}; choose another port with --port, a worker's with --health-port") from error
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


class _Protocol(HttpToolsProtocol):
    """Ends connections whose request line and headers don't come to an end."""

    _head_bytes = 0
    _in_head = True

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self.send_400_response(f"Request line and headers are larger than {MOST_HEAD_BYTES // 1024} KiB.")

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()


@asynccontextmanager
async def http_server(app: Any, listener: socket.socket) -> AsyncGenerator[None]:
    """Serve `app` on the socket until the context ends; open streams then get a few seconds."""
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=75,
        server_header=False,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
        listener.close()


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
