"""The sandbox service: runs code for workers that share a key with it."""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from dataclasses import asdict, fields
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp

from roadworthy.domain.errors import InvalidRequest, NotAllowed, SandboxFailed
from roadworthy.edges.http.body import json_object, unless_disconnected
from roadworthy.edges.http.error_boundary import ErrorBoundary
from roadworthy.edges.http.problem import problem_of
from roadworthy.edges.http.resource import json, public
from roadworthy.ports.sandbox import Sandbox, SandboxLimits, SandboxRun, checked_files

MOST_BODY_BYTES = 16 * 1024 * 1024
MOST = SandboxLimits(
    seconds=120,
    cpu_seconds=120,
    memory_bytes=1024**3,
    disk_bytes=256 * 1024**2,
    output_bytes=1_000_000,
    processes=64,
)
"""What a worker may ask for."""
WAITING_EACH = 4
"""Requests that wait for each place; more are told to come back."""


class SandboxService:
    """`places` run at once."""

    def __init__(self, sandbox: Sandbox, key: str | None, places: int) -> None:
        self._sandbox = sandbox
        self._expected = f"Bearer {key}".encode() if key else None
        self._places = asyncio.Semaphore(places)
        self._room = places * (1 + WAITING_EACH)

    def app(self) -> ASGIApp:
        routes = [public("/health", GET=self._health), public("/v1/runs", POST=self._run)]
        return ErrorBoundary(Router(routes))

    async def _health(self, request: Request) -> Response:
        """Also whether the caller has the key: 403 without."""
        self._allow(request)
        try:
            await self._sandbox.check()
        except SandboxFailed as error:
            return problem_of(error, 503)
        return json({"status": "ok", "sandbox": self._sandbox.name})

    async def _run(self, request: Request) -> Response:
        self._allow(request)
        if self._room <= 0:
            return problem_of(SandboxFailed("every place of this sandbox service is taken; come back soon"), 503)
        self._room -= 1
        try:
            asked = await json_object(request, most_bytes=MOST_BODY_BYTES)
            run = await unless_disconnected(request.receive, self._placed(asked))
        except SandboxFailed as error:
            return problem_of(error, 503)
        finally:
            self._room += 1
        return json(_shown(run))

    def _allow(self, request: Request) -> None:
        """NotAllowed before anything else of the request is read."""
        given = request.headers.get("authorization", "").encode()
        if self._expected is not None and not hmac.compare_digest(given, self._expected):
            raise NotAllowed("send ROADWORTHY_SANDBOX_KEY of this service as `Authorization: Bearer …`")

    async def _placed(self, asked: dict[str, Any]) -> SandboxRun:
        code = asked.get("code")
        if not isinstance(code, str):
            raise InvalidRequest("`code` must be text")
        files, keep, limits = _files(asked.get("files")), _names(asked.get("keep")), _limits(asked.get("limits"))
        try:
            checked_files(files, keep)
        except SandboxFailed as error:
            raise InvalidRequest(error.message) from None
        async with self._places:
            return await self._sandbox.run(code, files=files, keep=keep, limits=limits)


def _files(value: object) -> dict[str, bytes]:
    try:
        given = cast(dict[str, str], value or {})
        return {name: b64decode(content, validate=True) for name, content in given.items()}
    except (AttributeError, TypeError, ValueError, NoBase64):
        raise InvalidRequest("`files` must be an object of paths and base64") from None


def _names(value: object) -> list[str]:
    names = cast(list[object], value) if isinstance(value, list) else [] if value is None else [None]
    if not all(isinstance(name, str) for name in names):
        raise InvalidRequest("`keep` must be a list of paths")
    return cast(list[str], names)


def _limits(value: object) -> SandboxLimits:
    if value is None:
        return SandboxLimits()
    if not isinstance(value, dict):
        raise InvalidRequest("`limits` must be an object")
    given = cast(dict[str, object], value)
    known = {field.name for field in fields(SandboxLimits)}
    most = asdict(MOST)
    for name, limit in given.items():
        if name not in known:
            raise InvalidRequest(f"there is no limit `{name}`; there are {', '.join(sorted(known))}")
        if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not 0 < limit <= most[name]:
            raise InvalidRequest(f"`{name}` must be a number above 0 and at most {most[name]:,}")
        if isinstance(most[name], int) and name not in ("seconds", "cpu_seconds") and not isinstance(limit, int):
            raise InvalidRequest(f"`{name}` must be a whole number")
    return SandboxLimits(**cast(dict[str, Any], given))


def _shown(run: SandboxRun) -> dict[str, Any]:
    return {
        "end": run.end,
        "stdout": _sendable(run.stdout),
        "stderr": _sendable(run.stderr),
        "result": None if run.result is None else _sendable(run.result),
        "seconds": run.seconds,
        "files": {name: b64encode(content).decode() for name, content in run.files.items()},
    }


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
