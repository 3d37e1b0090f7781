"""A server that answers as it is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from aiohttp import web


@contextmanager
def server(*answers: tuple[int, dict[str, Any]]) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Its address, and what it was asked: each request gets the next answer."""
    left, asked = list(answers), list[tuple[str, Any]]()
    loop, ready, ended = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    url: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.path_qs, orjson.loads(await request.read() or b"null")))
        status, body = left.pop(0)
        return web.json_response(body, status=status)

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url.append(f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}")
        ready.set()
        await ended.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait(10)
    try:
        yield url[0], asked
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()
