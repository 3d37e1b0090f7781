"""Nothing leaves the API but answers: every failure becomes a problem document here."""

from __future__ import annotations

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roadworthy.domain.errors import RoadworthyError
from roadworthy.domain.ids import new_id
from roadworthy.edges.http.problem import problem, problem_of, status_of


class ClientGone(Exception):
    """The client closed the connection before it had its answer."""


class ErrorBoundary:
    """ASGI middleware. What is no RoadworthyError is logged with an id that the client is told, and no more."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except ClientGone:
            return
        except Exception as error:
            status = status_of(error) if isinstance(error, RoadworthyError) else None
            if isinstance(error, RoadworthyError) and status is not None and not started:
                await problem_of(error, status)(scope, receive, send)
                return
            incident = str(new_id())
            structlog.get_logger().exception(
                "request_failed", incident=incident, method=scope["method"], path=scope["path"]
            )
            if not started:
                detail = f"Something went wrong that should not have; the server's log has it under {incident}."
                instance = f"urn:uuid:{incident}"
                answer = problem(500, "internal_error", "Something went wrong.", detail, instance=instance)
                await answer(scope, receive, send)
