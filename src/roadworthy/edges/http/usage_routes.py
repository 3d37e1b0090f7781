"""`/v1/usage`"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from roadworthy.core.insight.usage import MOST_DAYS, USAGE_BY, UsageBy
from roadworthy.domain.errors import InvalidRequest
from roadworthy.domain.principal import Principal
from roadworthy.edges.http.budget_shown import usage_shown
from roadworthy.edges.http.dependencies import HttpDependencies
from roadworthy.edges.http.query import only
from roadworthy.edges.http.resource import json, private


class UsageRoutes:
    """What the caller's own tasks have cost."""

    def __init__(self, dependencies: HttpDependencies) -> None:
        self._usage = dependencies.usage
        self._authenticate = dependencies.authenticate

    def routes(self) -> Sequence[BaseRoute]:
        return (private("/v1/usage", self._authenticate, GET=self.usage),)

    async def usage(self, principal: Principal, request: Request) -> ASGIApp:
        only(request, "by", "days")
        by, days = _by(request), _days(request)
        return json(usage_shown(await self._usage.report(principal, by, days), by, days))


def _by(request: Request) -> UsageBy:
    text = request.query_params.get("by", "day")
    for by in USAGE_BY:
        if text == by:
            return by
    raise InvalidRequest(f"by must be one of {', '.join(USAGE_BY)}, not {text!r}")


def _days(request: Request) -> int:
    text = request.query_params.get("days", "30")
    days = int(text) if text.isascii() and text.isdigit() and len(text) < len(str(MOST_DAYS * 10)) else 0
    if not 1 <= days <= MOST_DAYS:
        raise InvalidRequest(f"days must be a whole number from 1 to {MOST_DAYS}, not {text!r}")
    return days
