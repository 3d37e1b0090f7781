"""`/health` and `/ready`: for load balancers and orchestrators."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from roadworthy.domain.errors import RoadworthyError
from roadworthy.edges.http.dependencies import ReadyCheck
from roadworthy.edges.http.problem import RETRY_SECONDS, problem
from roadworthy.edges.http.resource import json, public

_CHECK_SECONDS = 2.0

Facts = Callable[[], Mapping[str, Any]]
"""What an answer tells besides."""


class HealthRoutes:
    """Alive is whoever answers; ready is who can do what it is asked."""

    def __init__(self, ready_checks: Mapping[str, ReadyCheck], facts: Facts = dict[str, Any]) -> None:
        self._checks = dict(ready_checks)
        self._facts = facts

    def routes(self) -> Sequence[BaseRoute]:
        return (public("/health", GET=self.health), public("/ready", GET=self.ready))

    async def health(self, request: Request) -> ASGIApp:
        return json({"status": "ok", **self._facts()})

    async def ready(self, request: Request) -> ASGIApp:
        results = await asyncio.gather(*(_trouble(check) for check in self._checks.values()))
        reasons = {name: trouble for name, trouble in zip(self._checks, results, strict=True) if trouble}
        if not reasons:
            return json({"status": "ready", **self._facts()})
        detail = "; ".join(f"{name}: {trouble}" for name, trouble in reasons.items())
        headers = {"retry-after": str(RETRY_SECONDS)}
        more = {"reasons": reasons, **self._facts()}
        return problem(503, "not_ready", "This process can't serve now.", detail, headers=headers, **more)


async def _trouble(check: ReadyCheck) -> str | None:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check()
    except TimeoutError:
        return f"no answer within {_CHECK_SECONDS:g} s"
    except RoadworthyError as error:
        return error.message
    except Exception as error:
        return type(error).__name__
    return None
