"""`/v1/tasks/{id}/feedback`, and `/v1/operator/…` for what routers learn from"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from roadworthy.core.insight.graded_sessions import GradeReader
from roadworthy.core.operations.grade_answers import read_feedback, read_label
from roadworthy.domain.grade import Grade, GradedSession
from roadworthy.domain.principal import Principal
from roadworthy.edges.http.body import json_object
from roadworthy.edges.http.dependencies import HttpDependencies
from roadworthy.edges.http.query import limit, moment_in, only
from roadworthy.edges.http.resource import id_in_path, json, operated, private
from roadworthy.edges.http.shown import moment
from roadworthy.ports.grades import GradedFilter


class GradeRoutes:
    """What people say of answers."""

    def __init__(self, dependencies: HttpDependencies) -> None:
        self._grades = dependencies.grades
        self._reader = GradeReader(self._grades)
        self._authenticate = dependencies.authenticate

    def routes(self) -> Sequence[BaseRoute]:
        who = self._authenticate
        return (
            private("/v1/tasks/{id}/feedback", who, POST=self.grade, GET=self.feedback),
            operated("/v1/operator/tasks/{id}/label", who, POST=self.label),
            operated("/v1/operator/grades", who, GET=self.sessions),
        )

    async def grade(self, principal: Principal, request: Request) -> ASGIApp:
        task_id = id_in_path(request)
        grade = read_feedback(await json_object(request))
        return json(grade_shown(await self._grades.give(principal, task_id, grade)))

    async def feedback(self, principal: Principal, request: Request) -> ASGIApp:
        only(request)
        task_id = id_in_path(request)
        grade = await self._reader.feedback(principal, task_id)
        return json({"task_id": str(task_id), "feedback": grade and grade_shown(grade)})

    async def label(self, operator: Principal, request: Request) -> ASGIApp:
        task_id = id_in_path(request)
        grade = read_label(await json_object(request))
        return json(grade_shown(await self._grades.give(operator, task_id, grade)))

    async def sessions(self, operator: Principal, request: Request) -> ASGIApp:
        only(request, "agent", "since", "limit", "cursor")
        query = request.query_params
        filter = GradedFilter(query.get("agent"), moment_in(query, "since"))
        page = await self._reader.sessions(operator, filter, limit(request), query.get("cursor"))
        return json({"sessions": [_session_shown(each) for each in page.items], "next_cursor": page.next_cursor})


def grade_shown(grade: Grade) -> dict[str, Any]:
    return {
        "task_id": str(grade.task_id),
        "source": grade.source,
        "grade": grade.mark,
        "tier": grade.enough,
        "note": grade.note,
        "given_by": grade.given_by,
        "at": moment(grade.at),
    }


def _session_shown(session: GradedSession) -> dict[str, Any]:
    return {
        "session_id": str(session.id),
        "agent": session.agent,
        "text": session.text,
        "tasks": [
            {"tier": task.tier, "grades": [grade_shown(grade) for grade in task.grades]} for task in session.tasks
        ],
    }
