"""Calls of the service: one signed POST each."""

from __future__ import annotations

import json
from typing import Any, cast

import aiohttp

from roadworthy.adapters.sqs.account import AwsAccount
from roadworthy.adapters.sqs.errors import Refusal

CONNECT_SECONDS = 2.0
CALL_SECONDS = 3.0
"""How long an answer may take."""


class SqsService:
    """Connects when it is needed. `call` raises Refusal, CredentialsNotRenewed, aiohttp.ClientError and OSError."""

    def __init__(self, account: AwsAccount) -> None:
        self.where = account.where
        self._account = account
        self._http: aiohttp.ClientSession | None = None
        self._proxy = account.proxy
        self._closed = False

    async def call(self, action: str, seconds: float = CALL_SECONDS, **parameters: Any) -> dict[str, Any]:
        """What the service answers within so many seconds."""
        body = json.dumps(parameters).encode()
        try:
            return await self._call(action, body, seconds)
        except aiohttp.ServerDisconnectedError:
            # The service closes idle connections, perhaps just when we use one. Everything here may happen twice.
            return await self._call(action, body, seconds)

    async def close(self) -> None:
        self._closed = True
        if self._http is not None:
            await self._http.close()

    async def _call(self, action: str, body: bytes, seconds: float) -> dict[str, Any]:
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{action}"}
        async with self._session().post(
            self._account.endpoint,
            data=body,
            headers=await self._account.signed(headers, body),
            proxy=self._proxy,
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS),
            allow_redirects=False,
        ) as response:
            answer = _object_of(await response.read())
            if response.status != 200 or answer is None:
                raise _refusal(action, response.status, answer or {})
            return answer

    def _session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise ConnectionAbortedError("the connections were closed")
        if self._http is None:
            # Each long poll holds a connection, so there is no limit to their number.
            connector = aiohttp.TCPConnector(limit=0, ssl=self._account.tls())
            self._http = aiohttp.ClientSession(connector=connector, headers={"User-Agent": "roadworthy"})
        return self._http


def _object_of(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def _refusal(action: str, status: int, answer: dict[str, Any]) -> Refusal:
    code = str(answer.get("__type") or f"an answer of status {status} that is not its own").rpartition("#")[2]
    return Refusal(action, status, code, str(answer.get("message") or answer.get("Message") or ""))
