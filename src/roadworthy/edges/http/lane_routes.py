"""`/v1/operator/queue` and `/v1/operator/lanes`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from roadworthy.domain.errors import InvalidRequest
from roadworthy.domain.lane import agent_and_version
from roadworthy.domain.principal import Principal
from roadworthy.edges.http.body import json_object
from roadworthy.edges.http.dependencies import HttpDependencies
from roadworthy.edges.http.query import only
from roadworthy.edges.http.resource import json, operated
from roadworthy.ports.lanes import LaneLoad

_FIELDS = ("to", "parked")


class LaneRoutes:
    """What waits and runs where, for operators and autoscalers, and tasks that change their version."""

    def __init__(self, dependencies: HttpDependencies) -> None:
        self._loads = dependencies.loads
        self._move_tasks = dependencies.move_tasks
        self._authenticate = dependencies.authenticate

    def routes(self) -> Sequence[BaseRoute]:
        who = self._authenticate
        return (
            operated("/v1/operator/queue", who, GET=self.queue),
            operated("/v1/operator/lanes/{lane}/move", who, POST=self.move),
        )

    async def queue(self, operator: Principal, request: Request) -> ASGIApp:
        only(request)
        look = await self._loads.look()
        return json(
            {
                "lanes": [_lane_shown(load) for load in look.lanes],
                "totals": {**_totals(look.lanes), "dead": look.dead},
                "upkeep": {"last_run_seconds": round(look.upkeep_seconds, 3), "missing": look.upkeep_missing},
            }
        )

    async def move(self, operator: Principal, request: Request) -> ASGIApp:
        only(request)
        lane: str = request.path_params["lane"]
        to, parked = _order(await json_object(request))
        moved = await self._move_tasks.move(operator, lane, to, parked=parked)
        return json(
            {"lane": lane, "to": moved.to_lane, "moved": moved.count, "more": moved.more, "notice": moved.notice}
        )


def _lane_shown(load: LaneLoad) -> dict[str, Any]:
    agent, version = agent_and_version(load.lane)
    return {
        "lane": load.lane,
        "agent": agent,
        "version": version,
        "queued": load.queued,
        "paused": load.paused,
        "undecided": load.undecided,
        "parked": load.parked,
        "running": load.running,
        "depth": load.depth,
        "oldest_seconds": round(load.oldest_seconds, 3),
        "workers": load.workers,
        "unserved_seconds": round(load.unserved_seconds, 3),
        "stranded": load.stranded,
    }


def _totals(loads: Sequence[LaneLoad]) -> dict[str, Any]:
    return {
        "queued": sum(load.queued for load in loads),
        "paused": sum(load.paused for load in loads),
        "undecided": sum(load.undecided for load in loads),
        "parked": sum(load.parked for load in loads),
        "running": sum(load.running for load in loads),
        "depth": sum(load.depth for load in loads),
        "oldest_seconds": round(max((load.oldest_seconds for load in loads), default=0), 3),
        "stranded": sum(load.stranded for load in loads),
    }


def _order(body: dict[str, Any]) -> tuple[str, bool]:
    for name in body:
        if name not in _FIELDS:
            raise InvalidRequest(f"unknown field {name!r}; there are {', '.join(_FIELDS)}")
    to, parked = body.get("to"), body.get("parked", False)
    if not isinstance(to, str):
        raise InvalidRequest('to must be the version that the tasks go to, as a string like "2"')
    if not isinstance(parked, bool):
        raise InvalidRequest("parked must be true or false")
    return to, parked
