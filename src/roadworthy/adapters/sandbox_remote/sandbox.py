"""Has code run by a sandbox service, so that a worker needs no kernel of its own for it."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout

from roadworthy.domain.errors import SandboxFailed
from roadworthy.ports.sandbox import SandboxEnd, SandboxLimits, SandboxRun, checked_files

CONNECT_SECONDS = 5
GRACE_SECONDS = 20
"""Beyond the run's own limit: until it has a place, and for the way."""
MOST_WORDS_OF_REFUSAL = 500


class RemoteSandbox:
    """One service, or what balances several; each run is one request, which ends the run when it is given up."""

    name = "remote"

    def __init__(self, url: str, key: str | None = None) -> None:
        self._url = url.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._session: ClientSession | None = None

    async def run(
        self,
        code: str,
        *,
        files: Mapping[str, bytes] | None = None,
        keep: Sequence[str] = (),
        limits: SandboxLimits | None = None,
    ) -> SandboxRun:
        checked_files(files or {}, keep)
        limits = limits or SandboxLimits()
        asked = {
            # What is no text, like half of a surrogate pair, can't be sent, and no Python either.
            "code": code.encode("utf-8", "replace").decode(),
            "files": {name: b64encode(content).decode() for name, content in (files or {}).items()},
            "keep": list(keep),
            "limits": asdict(limits),
        }
        most = 2 * limits.disk_bytes + 20 * limits.output_bytes + 1024 * 1024
        answer = await self._answer("POST", "/v1/runs", orjson.dumps(asked), limits.seconds + GRACE_SECONDS, most)
        try:
            return _run(orjson.loads(answer))
        except (ValueError, KeyError, TypeError, AttributeError, NoBase64):
            raise SandboxFailed(f"what answers at {self._url} is no sandbox service of this release") from None

    async def check(self) -> None:
        await self._answer("GET", "/health", None, CONNECT_SECONDS + GRACE_SECONDS, 10_000)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _answer(self, method: str, path: str, body: bytes | None, seconds: float, most: int) -> bytes:
        if self._session is None:
            self._session = ClientSession(timeout=ClientTimeout(connect=CONNECT_SECONDS), headers=self._headers)
        try:
            async with (
                asyncio.timeout(seconds),
                self._session.request(method, self._url + path, data=body, allow_redirects=False) as response,
            ):
                data = bytearray()
                async for part in response.content.iter_any():
                    data += part
                    if len(data) > most:
                        raise SandboxFailed("the sandbox service answers with more than a run may leave")
        except TimeoutError:
            raise SandboxFailed(f"the sandbox service at {self._url} did not answer in time") from None
        except (ClientError, OSError) as error:
            raise SandboxFailed(
                f"the sandbox service at {self._url} can't be reached ({error}); start it with `roadworthy sandbox`, "
                "or set ROADWORTHY_SANDBOX"
            ) from error
        if response.status != 200:
            raise SandboxFailed(f"the sandbox service answers {response.status}: {_refusal(bytes(data))}")
        return bytes(data)


def _run(answer: Mapping[str, Any]) -> SandboxRun:
    result = answer["result"]
    return SandboxRun(
        SandboxEnd(answer["end"]),
        str(answer["stdout"]),
        str(answer["stderr"]),
        None if result is None else str(result),
        float(answer["seconds"]),
        {str(name): b64decode(content) for name, content in answer["files"].items()},
    )


def _refusal(data: bytes) -> str:
    try:
        problem: Any = orjson.loads(data)
        return str(problem["detail"])[:MOST_WORDS_OF_REFUSAL]
    except (ValueError, KeyError, TypeError):
        return data[:MOST_WORDS_OF_REFUSAL].decode("utf-8", "replace")
