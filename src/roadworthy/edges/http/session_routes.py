"""`/v1/sessions`"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from roadworthy.domain.principal import Principal
from roadworthy.edges.http.dependencies import HttpDependencies
from roadworthy.edges.http.query import limit, only
from roadworthy.edges.http.resource import id_in_path, json, private
from roadworthy.edges.http.shown import message_shown, session_shown


class SessionRoutes:
    def __init__(self, dependencies: HttpDependencies) -> None:
        self._sessions = dependencies.sessions
        self._authenticate = dependencies.authenticate

    def routes(self) -> Sequence[BaseRoute]:
        who = self._authenticate
        return (
            private("/v1/sessions", who, GET=self.list),
            private("/v1/sessions/{id}", who, GET=self.find, DELETE=self.delete),
            private("/v1/sessions/{id}/messages", who, GET=self.messages),
        )

    async def list(self, principal: Principal, request: Request) -> ASGIApp:
        only(request, "limit", "cursor")
        page = await self._sessions.list(principal, limit(request), request.query_params.get("cursor"))
        return json({"sessions": [session_shown(each) for each in page.items], "next_cursor": page.next_cursor})

    async def find(self, principal: Principal, request: Request) -> ASGIApp:
        return json(session_shown(await self._sessions.find(principal, id_in_path(request))))

    async def messages(self, principal: Principal, request: Request) -> ASGIApp:
        session_id = id_in_path(request)
        messages = await self._sessions.messages(principal, session_id)
        return json({"session_id": str(session_id), "messages": [message_shown(each) for each in messages]})

    async def delete(self, principal: Principal, request: Request) -> ASGIApp:
        await self._sessions.delete(principal, id_in_path(request))
        return Response(status_code=204)
