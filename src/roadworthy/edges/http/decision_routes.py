"""`/v1/tasks/{id}/decisions`, and `/v1/operator/decisions` for what waits for people"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from roadworthy.domain.principal import Principal
from roadworthy.edges.http.body import json_object
from roadworthy.edges.http.decision_shown import decided_shown, waiting_shown
from roadworthy.edges.http.dependencies import HttpDependencies
from roadworthy.edges.http.query import limit, only
from roadworthy.edges.http.resource import id_in_path, json, operated, private


class DecisionRoutes:
    """What people decide about tool calls: in their own tasks, and operators in everybody's."""

    def __init__(self, dependencies: HttpDependencies) -> None:
        self._decide_call = dependencies.decide_call
        self._pending = dependencies.pending
        self._authenticate = dependencies.authenticate

    def routes(self) -> Sequence[BaseRoute]:
        who = self._authenticate
        return (
            private("/v1/tasks/{id}/decisions", who, POST=self.decide),
            operated("/v1/operator/decisions", who, GET=self.list),
            operated("/v1/operator/decisions/{id}", who, GET=self.find),
        )

    async def decide(self, principal: Principal, request: Request) -> ASGIApp:
        task_id = id_in_path(request)
        decided = await self._decide_call.decide(principal, task_id, await json_object(request))
        return json(decided_shown(decided))

    async def list(self, operator: Principal, request: Request) -> ASGIApp:
        only(request, "limit", "cursor")
        page = await self._pending.of_all(operator, limit(request), request.query_params.get("cursor"))
        # Those that wait for other code wait for nobody's decision.
        tasks = [waiting_shown(waiting) for waiting in page.items if waiting.waiting_for]
        return json({"tasks": tasks, "next_cursor": page.next_cursor})

    async def find(self, operator: Principal, request: Request) -> ASGIApp:
        only(request)
        return json(waiting_shown(await self._pending.of_any(operator, id_in_path(request))))
