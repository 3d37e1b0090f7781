"""Asks a running server what only operators may ask: one request, one answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from roadworthy.edges.cli.chat_client import Refused, ServerDown

ANSWER_SECONDS = 60.0


class OperatorClient:
    """Nothing is sent twice by itself: whoever repeats a command sees first what became of it."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url.rstrip("/")

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncGenerator[OperatorClient]:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=5)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            yield cls(http, url)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The answer's JSON. Raises Refused, and ServerDown when nothing answers."""
        return await self._ask("GET", path, params=dict(query or {}))

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """As `get`."""
        return await self._ask(
            "POST", path, data=orjson.dumps(dict(body)), headers={"Content-Type": "application/json"}
        )

    async def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        try:
            async with self._http.request(method, f"{self._url}{path}", **more) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise ServerDown(str(error) or type(error).__name__) from error
        return _answer(status, body)


def _answer(status: int, body: bytes) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = orjson.loads(body)
        if status < 400:
            return answer
        code, detail = str(answer["code"]), str(answer["detail"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Refused(
            status, "unknown", f"the server answered {status} and no JSON; is it a Roadworthy server?"
        ) from None
    raise Refused(status, code, detail, answer)


def is_address(url: str) -> bool:
    address = urlsplit(url)
    return address.scheme in ("http", "https") and bool(address.netloc)
