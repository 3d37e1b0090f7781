"""What stands at one path: its methods, and who may call them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import orjson
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from roadworthy.domain.errors import NotFound
from roadworthy.domain.principal import Principal, check_operator
from roadworthy.edges.http.authenticate import Authenticate
from roadworthy.edges.http.problem import problem

PublicHandler = Callable[[Request], Awaitable[ASGIApp]]
Handler = Callable[[Principal, Request], Awaitable[ASGIApp]]


class Resource:
    """An ASGI app: the handlers of a path by their method. HEAD is GET without the body, OPTIONS lists them."""

    def __init__(self, handlers: Mapping[str, PublicHandler]) -> None:
        self._handlers = dict(handlers)
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]
        self._allow = ", ".join(sorted({*self._handlers, "OPTIONS"}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method: str = scope["method"]
        handler = self._handlers.get(method)
        if handler is not None:
            answer = await handler(Request(scope, receive))
        elif method == "OPTIONS":
            answer = Response(status_code=204, headers={"allow": self._allow})
        else:
            detail = f"{scope['path']} has no method {method}; it has {self._allow}"
            headers = {"allow": self._allow}
            answer = problem(405, "method_not_allowed", "That path has no such method.", detail, headers=headers)
        await answer(scope, receive, send)


def public(path: str, **handlers: PublicHandler) -> Route:
    """A route for everybody, told no principal."""
    return Route(path, Resource(handlers))


def private(path: str, authenticate: Authenticate, **handlers: Handler) -> Route:
    """A route whose handlers are told on whose behalf they act."""
    return Route(path, Resource({method: _for_principal(authenticate, h) for method, h in handlers.items()}))


def operated(path: str, authenticate: Authenticate, **handlers: Handler) -> Route:
    """A route for operators: whoever has the scope `operator`; everybody else is told 403."""

    async def operator(connection: HTTPConnection) -> Principal:
        principal = await authenticate(connection)
        check_operator(principal)
        return principal

    return private(path, operator, **handlers)


def _for_principal(authenticate: Authenticate, handler: Handler) -> PublicHandler:
    async def authenticated(request: Request) -> ASGIApp:
        return await handler(await authenticate(request), request)

    return authenticated


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(value), status, headers, media_type="application/json")


def id_in_path(request: Request) -> UUID:
    """The id in the path; what can be no id is not there."""
    try:
        return UUID(request.path_params["id"])
    except ValueError:
        raise NotFound from None
