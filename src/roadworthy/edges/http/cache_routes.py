"""`/v1/operator/cache`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from roadworthy.core.operations.resume_order import check_fields, flag_in, note_in
from roadworthy.domain.errors import InvalidRequest
from roadworthy.domain.principal import Principal
from roadworthy.edges.http.body import json_object
from roadworthy.edges.http.dependencies import HttpDependencies
from roadworthy.edges.http.query import only
from roadworthy.edges.http.resource import json, operated

_WHICH = ("agent", "version", "tenant")


class CacheRoutes:
    """Kept replies, for operators."""

    def __init__(self, dependencies: HttpDependencies) -> None:
        self._clear_caches = dependencies.clear_caches
        self._authenticate = dependencies.authenticate

    def routes(self) -> Sequence[BaseRoute]:
        return (operated("/v1/operator/cache/clear", self._authenticate, POST=self.clear),)

    async def clear(self, operator: Principal, request: Request) -> ASGIApp:
        only(request)
        body = await json_object(request, or_empty=True)
        which, note = _which(body), note_in(body)
        await self._clear_caches.clear(operator, **which, note=note)
        return json({"cleared": which or "all"})


def _which(body: dict[str, Any]) -> dict[str, str]:
    check_fields(body, (*_WHICH, "all", "note"))
    which = {name: body[name] for name in _WHICH if body.get(name) is not None}
    for name, value in which.items():
        if not isinstance(value, str) or not value or "\0" in value:
            raise InvalidRequest(f"{name} must be text")
    if "version" in which and "agent" not in which:
        raise InvalidRequest("version goes with agent: name the agent that it is a version of")
    if which and flag_in(body, "all"):
        raise InvalidRequest("all: true (--all) goes with nothing else")
    if not which and not flag_in(body, "all"):
        raise InvalidRequest("name an agent, a version of it or a tenant, or say all: true (--all)")
    return which
