"""Talks to a running server, and goes on where it was when the connection breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp
import orjson

from roadworthy.domain.errors import TaskIsDead

PATIENCE_SECONDS = 60.0
_FIRST_PAUSE, _LAST_PAUSE = 0.25, 3.0
# The server sends at least a comment every 15 s.
_SILENCE_SECONDS = 45
_TROUBLE = (aiohttp.ClientError, TimeoutError, ConnectionError)


class ServerDown(Exception):
    """Nothing answers at the address."""


class Refused(Exception):
    """The server says no; `code` and the message are those of its problem document."""

    def __init__(self, status: int, code: str, message: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.problem = problem or {}


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a task."""

    number: int
    kind: str
    data: dict[str, Any]


class ChatClient:
    def __init__(self, http: aiohttp.ClientSession, url: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._http = http
        self.url = url.rstrip("/")
        self._patience = patience_seconds

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncGenerator[ChatClient]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_SILENCE_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            yield cls(http, url)

    async def check(self) -> None:
        """ServerDown unless a server answers."""
        try:
            async with self._http.get(f"{self.url}/health") as response:
                await response.read()
        except _TROUBLE as error:
            raise ServerDown(str(error)) from error

    async def submit(self, message: str, agent: str | None, session_id: str | None) -> dict[str, Any]:
        """The receipt of the new task. Sent again under the same key while nothing answers: never taken twice."""
        body = {"input": message, "agent": agent, "session_id": session_id}
        return await self._post("/v1/tasks", body, {"Idempotency-Key": str(uuid4())})

    async def cancel(self, task_id: str) -> None:
        try:
            await self._post(f"/v1/tasks/{task_id}/cancel", {}, {})
        except Refused as error:
            if error.code != TaskIsDead.code:
                raise  # what died in the meantime has ended as well

    async def task(self, task_id: str) -> dict[str, Any]:
        """The task as it is now."""
        return await self._send("GET", f"/v1/tasks/{task_id}", None, {})

    async def decide(self, task_id: str, decision: Mapping[str, Any]) -> dict[str, Any]:
        """What was decided. Sent again while nothing answers: the same decision twice is one."""
        return await self._send("POST", f"/v1/tasks/{task_id}/decisions", orjson.dumps(dict(decision)), {})

    async def events(self, task_id: str, after: int = 0) -> AsyncGenerator[Told]:
        """The task's events above `after`, through any number of connections, up to `done`.

        Raises Refused, and ServerDown when nothing answered for a minute.
        """
        pauses = _Pauses(self._patience)
        while True:
            try:
                headers = {"Last-Event-ID": str(after)}
                async with self._http.get(f"{self.url}/v1/tasks/{task_id}/events", headers=headers) as response:
                    await _check(response)
                    async for told in _told(response.content):
                        pauses.reset()
                        after = told.number
                        yield told
                        if told.kind == "done":
                            return
            except _TROUBLE as error:
                await pauses.next(error)
            else:
                await pauses.next(None)

    async def _post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        data = orjson.dumps({name: value for name, value in body.items() if value is not None})
        return await self._send("POST", path, data, headers)

    async def _send(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> dict[str, Any]:
        pauses = _Pauses(self._patience)
        if data is not None:
            headers = {"Content-Type": "application/json", **headers}
        while True:
            try:
                async with self._http.request(method, f"{self.url}{path}", data=data, headers=headers) as response:
                    await _check(response)
                    return orjson.loads(await response.read())
            except _TROUBLE as error:
                await pauses.next(error)


class _Pauses:
    """Between attempts to reach the server: longer and longer, and not forever."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        self._pause = _FIRST_PAUSE
        self._waited = 0.0

    async def next(self, error: BaseException | None) -> None:
        if self._waited >= self._patience:
            raise ServerDown(str(error or "its streams end at once")) from error
        await asyncio.sleep(self._pause)
        self._waited += self._pause
        self._pause = min(self._pause * 2, _LAST_PAUSE)


async def _check(response: aiohttp.ClientResponse) -> None:
    """Refused for an answer that will stay the same; a passing one counts as trouble with the connection."""
    if response.status < 400:
        return
    body = await response.read()
    try:
        problem = orjson.loads(body)
        code, detail = str(problem["code"]), str(problem["detail"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        code, detail = "unknown", f"the server answered {response.status}; is it a Roadworthy server?"
    if response.status in (429, 502, 503, 504):
        raise ConnectionError(detail)
    raise Refused(response.status, code, detail)


async def _told(content: aiohttp.StreamReader) -> AsyncIterator[Told]:
    """Server-sent events as this API writes them: `id`, `event` and `data`, one line each."""
    unread = b""
    async for chunk in content.iter_any():
        *blocks, unread = (unread + chunk).split(b"\n\n")
        for block in blocks:
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
            if fields.keys() >= {b"id", b"event", b"data"}:
                yield Told(int(fields[b"id"]), fields[b"event"].decode(), orjson.loads(fields[b"data"]))
