"""The four routes that the demo uses, as any client in any language would use them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp

from examples.support.demo.event_stream import Event, read_events

SILENCE_SECONDS = 40  # the server sends a comment every 15 s


class ApiClient:
    """Submits tasks and follows them. `async with` closes its connections."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = aiohttp.ClientSession(
            url, timeout=aiohttp.ClientTimeout(sock_read=SILENCE_SECONDS), read_bufsize=1 << 20
        )

    async def __aenter__(self) -> "ApiClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def is_ready(self) -> bool:
        try:
            async with self._http.get("/ready") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def submit(self, question: str, session_id: str | None = None) -> dict[str, Any]:
        """The accepted task. The key makes it safe to send the request again when no answer came."""
        body = {"input": question} | ({"session_id": session_id} if session_id else {})
        headers = {"Idempotency-Key": str(uuid4())}
        async with self._http.post("/v1/tasks", json=body, headers=headers) as response:
            return await _json(response)

    async def task(self, task_id: str) -> dict[str, Any]:
        async with self._http.get(f"/v1/tasks/{task_id}") as response:
            return await _json(response)

    async def decide(self, task_id: str, call_id: str, decision: str, note: str) -> dict[str, Any]:
        """What is decided about a tool call that waits for somebody. Safe to send again: the same decision is one."""
        body = {"call_id": call_id, "decision": decision, "note": note}
        async with self._http.post(f"/v1/tasks/{task_id}/decisions", json=body) as response:
            return await _json(response)

    async def events(self, task_id: str) -> AsyncIterator[Event]:
        """All events up to `done`, over as many connections as it takes: the cursor misses and repeats nothing."""
        cursor: dict[str, str] = {}
        while True:
            try:
                async with self._http.get(f"/v1/tasks/{task_id}/events", headers=cursor) as response:
                    if response.status != 200:
                        await _json(response)
                    async for event in read_events(response.content):
                        cursor = {"Last-Event-ID": event.id}
                        yield event
                        if event.kind == "done":
                            return
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError):
                pass
            await asyncio.sleep(0.5)


class RefusedError(Exception):
    """The server said no; the message holds its reason."""


async def _json(response: aiohttp.ClientResponse) -> dict[str, Any]:
    body = await response.json(content_type=None)
    if response.status >= 400:
        reason = body.get("detail") or body.get("title") if isinstance(body, dict) else body
        raise RefusedError(f"{response.method} {response.url.path} answered {response.status}: {reason}")
    return body
