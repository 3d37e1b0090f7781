"""Stands between client and server: records what is asked, and may answer in the server's place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import web


class Recorder:
    """An HTTP server on loopback that passes every request on as it came, signature included."""

    def __init__(self, server_url: str) -> None:
        self.url = ""
        self.requests: list[tuple[str, dict[str, Any]]] = []
        """Action and parameters, in the order in which they came."""
        self.refusals: dict[str, tuple[int, str]] = {}
        """Status and code of the answer to an action that is not passed on."""
        self._server_url = server_url
        self._changed = asyncio.Condition()

    async def start(self) -> None:
        self._http = aiohttp.ClientSession()
        app = web.Application()
        app.router.add_post("/", self._pass_on)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        await self._runner.cleanup()
        await self._http.close()

    def of(self, action: str) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.requests if name == action]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(condition)

    async def _pass_on(self, request: web.Request) -> web.Response:
        action = request.headers["X-Amz-Target"].rpartition(".")[2]
        body = await request.read()
        async with self._changed:
            self.requests.append((action, json.loads(body)))
            self._changed.notify_all()
        if action in self.refusals:
            status, code = self.refusals[action]
            return web.json_response({"__type": f"com.amazonaws.sqs#{code}", "message": "as told"}, status=status)
        async with self._http.post(self._server_url, data=body, headers=request.headers) as answer:
            return web.Response(status=answer.status, body=await answer.read())
