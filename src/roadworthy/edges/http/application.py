"""The HTTP API as one ASGI application."""

from __future__ import annotations

from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from roadworthy.domain.errors import NotFound
from roadworthy.edges.http.budget_routes import BudgetRoutes
from roadworthy.edges.http.cache_routes import CacheRoutes
from roadworthy.edges.http.dead_letter_routes import DeadLetterRoutes
from roadworthy.edges.http.decision_routes import DecisionRoutes
from roadworthy.edges.http.dependencies import HttpDependencies
from roadworthy.edges.http.error_boundary import ErrorBoundary
from roadworthy.edges.http.grade_routes import GradeRoutes
from roadworthy.edges.http.health_routes import HealthRoutes
from roadworthy.edges.http.lane_routes import LaneRoutes
from roadworthy.edges.http.loopback_only import LoopbackOnly
from roadworthy.edges.http.session_routes import SessionRoutes
from roadworthy.edges.http.task_routes import TaskRoutes
from roadworthy.edges.http.usage_routes import UsageRoutes


def http_app(dependencies: HttpDependencies) -> ASGIApp:
    """The API over its dependencies. It starts and closes none of them: its lifespan does nothing."""
    router = Router(
        [
            *TaskRoutes(dependencies).routes(),
            *DecisionRoutes(dependencies).routes(),
            *SessionRoutes(dependencies).routes(),
            *DeadLetterRoutes(dependencies).routes(),
            *LaneRoutes(dependencies).routes(),
            *GradeRoutes(dependencies).routes(),
            *CacheRoutes(dependencies).routes(),
            *BudgetRoutes(dependencies).routes(),
            *UsageRoutes(dependencies).routes(),
            *CacheRoutes(dependencies).routes(),
            *HealthRoutes(dependencies.ready_checks).routes(),
            *(dependencies.metrics.routes() if dependencies.metrics else ()),
        ],
        redirect_slashes=False,
        default=_unknown_path,
    )
    return ErrorBoundary(LoopbackOnly(router) if dependencies.loopback_only else router)


async def _unknown_path(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    raise NotFound(f"there is no path {scope['path']}")
