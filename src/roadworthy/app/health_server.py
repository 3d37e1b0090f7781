"""The small HTTP server of a process that is no API server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import structlog
from starlette.routing import BaseRoute, Router

from roadworthy.app.http_server import http_server, listening_socket
from roadworthy.domain.errors import PortTaken

log = structlog.get_logger()


@asynccontextmanager
async def health_server(port: int, routes: Sequence[BaseRoute]) -> AsyncGenerator[None]:
    """Serve the routes on loopback until the context ends; without them if the port is 0 or taken.

    A second worker on one machine is worth more than its health.
    """
    if not port:
        yield
        return
    try:
        listener = listening_socket("127.0.0.1", port)
    except PortTaken as error:
        log.warning("no_health_port", reason=error.message)
        yield
        return
    with listener:
        async with http_server(Router(list(routes)), listener):
            yield
