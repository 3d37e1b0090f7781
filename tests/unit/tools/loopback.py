"""Real servers on loopback that remember what came to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Service:
    port: int
    came: list[Request] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _nothing(request: web.Request) -> web.StreamResponse:
    return web.json_response({"path": request.path})


@asynccontextmanager
async def service(answer: Answer = _nothing, host: str = "127.0.0.1") -> AsyncIterator[Service]:
    seen = Service(0)

    async def remember(request: web.Request) -> web.StreamResponse:
        seen.came.append(Request(request.method, request.path_qs, dict(request.headers), await request.read()))
        return await answer(request)

    application = web.Application()
    application.router.add_route("*", "/{anything:.*}", remember)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0).start()
        seen.port = runner.addresses[0][1]
        yield seen
    finally:
        await runner.cleanup()


@asynccontextmanager
async def speaking(words: bytes, *, then_close: bool = True) -> AsyncIterator[Service]:
    """A server that answers each request with exactly these bytes."""
    seen = Service(0)
    closing = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(words)
        if not then_close:
            await closing.wait()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        closing.set()
        server.close()
        await server.wait_closed()


def at_once(response: Callable[[], web.StreamResponse]) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return response()

    return answer
