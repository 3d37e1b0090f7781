"""`/v1/operator/dead` and `/v1/operator/actions`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from roadworthy.core.insight.page import id_of_cursor
from roadworthy.core.operations.dead_tasks import MOST_AT_ONCE, BatchPage
from roadworthy.core.operations.resume_order import check_fields, flag_in, note_in, object_in, read_resume
from roadworthy.domain.errors import EffectsWouldRepeat, InvalidRequest
from roadworthy.domain.principal import Principal
from roadworthy.edges.http.body import json_object
from roadworthy.edges.http.dead_letter_shown import (
    action_shown,
    batch_shown,
    counts_shown,
    done_shown,
    effect_shown,
    letter_line,
    letter_shown,
)
from roadworthy.edges.http.dependencies import HttpDependencies
from roadworthy.edges.http.problem import problem_of
from roadworthy.edges.http.query import limit, moment_in, only
from roadworthy.edges.http.resource import id_in_path, json, operated
from roadworthy.ports.dead_letters import DeadFilter

_FILTER = ("agent", "version", "code", "tenant", "user", "since", "until")
_BATCH = ("filter", "all", "limit", "cursor", "dry_run")


class DeadLetterRoutes:
    """Dead tasks of all tenants, for operators."""

    def __init__(self, dependencies: HttpDependencies) -> None:
        self._letters = dependencies.dead_letters
        self._tasks = dependencies.dead_tasks
        self._authenticate = dependencies.authenticate

    def routes(self) -> Sequence[BaseRoute]:
        who = self._authenticate
        return (
            operated("/v1/operator/dead", who, GET=self.list),
            operated("/v1/operator/dead/resume", who, POST=self.resume_many),
            operated("/v1/operator/dead/discard", who, POST=self.discard_many),
            operated("/v1/operator/dead/{id}", who, GET=self.find),
            operated("/v1/operator/dead/{id}/resume", who, POST=self.resume),
            operated("/v1/operator/dead/{id}/discard", who, POST=self.discard),
            operated("/v1/operator/actions", who, GET=self.actions),
        )

    async def list(self, operator: Principal, request: Request) -> ASGIApp:
        only(request, *_FILTER, "limit", "cursor")
        filter, cursor = dead_filter(dict(request.query_params)), request.query_params.get("cursor")
        page = await self._letters.list(operator, filter, limit(request), cursor)
        # They are counted once: a page that follows is about the same tasks.
        counts = None if cursor is not None else counts_shown(await self._letters.count(operator, filter))
        lines = [letter_line(task) for task in page.items]
        return json({"tasks": lines, "counts": counts, "next_cursor": page.next_cursor})

    async def find(self, operator: Principal, request: Request) -> ASGIApp:
        only(request)
        letter = await self._letters.find(operator, id_in_path(request), self._tasks.effect_of)
        return json(letter_shown(letter))

    async def resume(self, operator: Principal, request: Request) -> ASGIApp:
        task_id = id_in_path(request)
        order = read_resume(await json_object(request, or_empty=True))
        try:
            done = await self._tasks.resume(operator, task_id, order)
        except EffectsWouldRepeat as error:
            effects = [effect_shown(effect) for effect in error.effects]
            return problem_of(error, 409, effects=effects)
        return json(done_shown(done), 202)

    async def discard(self, operator: Principal, request: Request) -> ASGIApp:
        task_id = id_in_path(request)
        body = await json_object(request, or_empty=True)
        check_fields(body, ("note",))
        return json(done_shown(await self._tasks.discard(operator, task_id, note_in(body))))

    async def resume_many(self, operator: Principal, request: Request) -> ASGIApp:
        body = await json_object(request)
        order = read_resume({name: value for name, value in body.items() if name not in _BATCH}, many=True)
        filter, page = _batch(body)
        batch = await self._tasks.resume_matching(operator, filter, order, page)
        return json(batch_shown(batch, "resumed", page.dry_run))

    async def discard_many(self, operator: Principal, request: Request) -> ASGIApp:
        body = await json_object(request)
        check_fields(body, (*_BATCH, "note"))
        filter, page = _batch(body)
        batch = await self._tasks.discard_matching(operator, filter, note_in(body), page)
        return json(batch_shown(batch, "discarded", page.dry_run))

    async def actions(self, operator: Principal, request: Request) -> ASGIApp:
        only(request, "task_id", "limit", "cursor")
        query = request.query_params
        page = await self._letters.actions(operator, _id(query.get("task_id")), limit(request), query.get("cursor"))
        return json({"actions": [action_shown(each) for each in page.items], "next_cursor": page.next_cursor})


def dead_filter(given: dict[str, Any]) -> DeadFilter:
    """InvalidRequest, naming the field, for what is no text or no moment."""
    for name in _FILTER:
        if not isinstance(given.get(name, ""), str) or "\0" in given.get(name, ""):
            raise InvalidRequest(f"{name} must be text")
    return DeadFilter(
        agent=given.get("agent"),
        version=given.get("version"),
        code=given.get("code"),
        tenant=given.get("tenant"),
        user=given.get("user"),
        since=moment_in(given, "since"),
        until=moment_in(given, "until"),
    )


def _batch(body: dict[str, Any]) -> tuple[DeadFilter, BatchPage]:
    given = object_in(body, "filter")
    check_fields(given, _FILTER)
    filter, everything = dead_filter(given), flag_in(body, "all")
    if filter == DeadFilter() and not everything:
        raise InvalidRequest("the filter is empty, which means every dead task; say so with all: true (--all)")
    if filter != DeadFilter() and everything:
        raise InvalidRequest("all: true (--all) goes with an empty filter only")
    number, cursor = body.get("limit", MOST_AT_ONCE), body.get("cursor")
    if type(number) is not int or not 1 <= number <= MOST_AT_ONCE:
        raise InvalidRequest(f"limit must be a whole number from 1 to {MOST_AT_ONCE}, not {number!r}")
    if cursor is not None and not isinstance(cursor, str):
        raise InvalidRequest("cursor must be the next_cursor of the batch before")
    return filter, BatchPage(number, None if cursor is None else id_of_cursor(cursor), flag_in(body, "dry_run"))


def _id(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        raise InvalidRequest(f"task_id must be a task's id, not {text!r}") from None
