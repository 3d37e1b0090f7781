"""`/v1/tasks`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from roadworthy.core.intake.submission import read_submission
from roadworthy.domain.errors import NotFound, StoreUnavailable
from roadworthy.domain.ids import TaskId
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Task
from roadworthy.edges.http.body import json_object, unless_disconnected
from roadworthy.edges.http.cache_header import cache_header
from roadworthy.edges.http.decision_shown import waits_shown
from roadworthy.edges.http.dependencies import HttpDependencies
from roadworthy.edges.http.event_stream import EventStream
from roadworthy.edges.http.query import event_cursor, only, task_filter, wait_seconds
from roadworthy.edges.http.resource import id_in_path, json, private
from roadworthy.edges.http.shown import receipt, task_shown


class TaskRoutes:
    def __init__(self, dependencies: HttpDependencies) -> None:
        self._intake = dependencies.intake
        self._tasks = dependencies.tasks
        self._follow = dependencies.follow
        self._pending = dependencies.pending
        self._clock = dependencies.clock
        self._cached_lanes = dependencies.cached_lanes
        self._authenticate = dependencies.authenticate

    def routes(self) -> Sequence[BaseRoute]:
        who = self._authenticate
        return (
            private("/v1/tasks", who, POST=self.submit, GET=self.list),
            private("/v1/tasks/{id}", who, GET=self.find),
            private("/v1/tasks/{id}/events", who, GET=self.events),
            private("/v1/tasks/{id}/steps", who, GET=self.steps),
            private("/v1/tasks/{id}/results/{call_id:path}", who, GET=self.result),
            private("/v1/tasks/{id}/cancel", who, POST=self.cancel),
        )

    async def submit(self, principal: Principal, request: Request) -> ASGIApp:
        body = await json_object(request)
        submission = read_submission(body, request.headers.get("idempotency-key"))
        seconds = wait_seconds(request)
        admitted = await self._intake.submit(principal, submission)
        task = admitted.task
        headers = {"location": f"/v1/tasks/{task.id}"}
        if admitted.before:
            headers["idempotent-replayed"] = "true"
        if seconds:
            headers["preference-applied"] = f"wait={seconds:g}"
            ended = await unless_disconnected(request.receive, self._ended(principal, task.id, seconds))
            if ended is not None:
                headers |= cache_header(ended, self._cached_lanes)
                return json(await self._whole(ended), 200, headers)
            task = await self._as_it_is_now(principal, task)
        return json(receipt(task), 202, headers)

    async def _whole(self, task: Task) -> dict[str, Any]:
        """With what it waits for, which a list of tasks does not say."""
        return task_shown(task, self._clock.time()) | waits_shown(task, await self._pending.of_task(task))

    async def _ended(self, principal: Principal, task_id: TaskId, seconds: float) -> Task | None:
        """The task if it ends in time. It was taken in whatever becomes of the waiting."""
        try:
            return await self._tasks.wait_for_end(principal, task_id, seconds)
        except (StoreUnavailable, NotFound):
            return None

    async def _as_it_is_now(self, principal: Principal, task: Task) -> Task:
        """It may run by now, or wait for a person."""
        try:
            return await self._tasks.find(principal, task.id)
        except (StoreUnavailable, NotFound):
            return task

    async def list(self, principal: Principal, request: Request) -> ASGIApp:
        page = await self._tasks.list(principal, task_filter(request), request.query_params.get("cursor"))
        now = self._clock.time()
        return json({"tasks": [task_shown(task, now) for task in page.items], "next_cursor": page.next_cursor})

    async def find(self, principal: Principal, request: Request) -> ASGIApp:
        task = await self._tasks.find(principal, id_in_path(request))
        return json(await self._whole(task), headers=cache_header(task, self._cached_lanes))

    async def events(self, principal: Principal, request: Request) -> ASGIApp:
        only(request, "after")
        stream = self._follow(principal, id_in_path(request), event_cursor(request))
        return EventStream(await anext(stream), stream)

    async def steps(self, principal: Principal, request: Request) -> ASGIApp:
        task_id = id_in_path(request)
        return json({"task_id": str(task_id), "steps": await self._tasks.steps(principal, task_id)})

    async def result(self, principal: Principal, request: Request) -> ASGIApp:
        result = await self._tasks.result(principal, id_in_path(request), request.path_params["call_id"])
        return Response(result, media_type="application/json")

    async def cancel(self, principal: Principal, request: Request) -> ASGIApp:
        task = await self._intake.cancel(principal, id_in_path(request))
        return json(receipt(task), 202)
