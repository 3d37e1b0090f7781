"""Which tier answers a task: as its metadata says, as its session holds, or as a router chooses."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson
import structlog

from roadworthy.core.model_gateway.routing.rules import RuleRouter
from roadworthy.core.model_gateway.routing.trained import TrainedRouter
from roadworthy.core.outage import Outage
from roadworthy.domain.keepable import foreign_words
from roadworthy.domain.route import SAFE_TIER, TIERS, RoutedBy, RouteFunction, Router, RouteRequest, Tier, is_tier
from roadworthy.domain.service import AgentService
from roadworthy.domain.task import Task

ROUTER_SECONDS = 1.0
BLOCKING_SECONDS = 0.05
"""What a router may keep the event loop for: every other task of the worker stands still meanwhile."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Routed:
    """A task's tier; None where its service has no models to choose among."""

    tier: Tier | None = None
    why: RoutedBy | None = None

    @property
    def session_tier(self) -> Tier | None:
        """What the session holds from now on; a task's own wish is for that task alone."""
        return None if self.why == "metadata" else self.tier


class Routes:
    """Never fails: a router in trouble is passed over for the safe tier, and named in the log."""

    def __init__(self, default: Router | None = None) -> None:
        self._default: Router = default or RuleRouter()
        self._troubles: dict[str, _Troubles] = {}

    async def tier(self, service: AgentService, task: Task, held: Tier | None) -> Routed:
        """`held` is what the task's session holds."""
        if service.models is None:
            return Routed()
        metadata = _metadata_of(task)
        troubles = self._troubles_of(service)
        if "tier" in metadata:
            if is_tier(wanted := metadata["tier"]):
                return Routed(wanted, "metadata")
            # Metadata is the caller's own: the word may mean something else there.
            reason = f"metadata.tier is {_shown(wanted)}, which is none of {', '.join(TIERS)}"
            troubles.wish.goes_on(reason, agent=task.agent, version=task.version)
        if held is not None:
            return Routed(held, "session")
        request = RouteRequest(
            task.input, metadata, task.principal.tenant, task.principal.user, service.name, service.version
        )
        return await _asked(service.router or self._default, request, troubles)

    def _troubles_of(self, service: AgentService) -> _Troubles:
        if service.lane not in self._troubles:
            self._troubles[service.lane] = _Troubles()
        return self._troubles[service.lane]


class _Troubles:
    """Of one service's router and of its callers."""

    def __init__(self) -> None:
        self.router = Outage("router_failed", over="router_back", level="error")
        # These two are never over: each is said when it begins, and once a minute while it goes on.
        self.slowness = Outage("router_blocks_the_loop")
        self.wish = Outage("tier_not_understood")


class _RouterFailed(Exception):
    """The words say how."""


async def _asked(router: Router | RouteFunction, request: RouteRequest, troubles: _Troubles) -> Routed:
    try:
        answer = _call(router, request, troubles)
        if inspect.isawaitable(answer):
            answer = await _within_its_time(answer)
        tier = _understood(answer)
    except _RouterFailed as failed:
        troubles.router.goes_on(str(failed), agent=request.agent, version=request.version, tier=SAFE_TIER)
        return Routed(SAFE_TIER, "router_failed")
    troubles.router.is_over()
    return Routed(tier, _name_of(router))


def _call(router: Router | RouteFunction, request: RouteRequest, troubles: _Troubles) -> object:
    route = cast(RouteFunction, getattr(router, "route", router))
    began = time.monotonic()
    try:
        return route(request)
    except BaseException as error:
        # None of these is the worker's own: nothing is awaited here, and its signals raise nothing.
        raise _RouterFailed(_words(error)) from error
    finally:
        seconds = time.monotonic() - began
        if seconds > BLOCKING_SECONDS:
            troubles.slowness.goes_on(
                f"the router kept every task of this worker waiting for {seconds * 1000:.0f} ms; make it `async`",
                agent=request.agent,
                version=request.version,
            )


async def _within_its_time(answer: Awaitable[object]) -> object:
    task = asyncio.ensure_future(_answered(answer))
    try:
        # Not a time limit around it: a router that holds on to its cancellation would hold on to the task as well.
        await asyncio.wait({task}, timeout=ROUTER_SECONDS)
        if not task.done():
            raise _RouterFailed(f"it did not answer within {ROUTER_SECONDS:g} s")
        if task.cancelled():
            raise _RouterFailed("it cancelled itself")
        error = task.exception()
        if error is not None:
            raise error if isinstance(error, _RouterFailed) else _RouterFailed(_words(error)) from error
        return task.result()
    finally:
        task.cancel()


async def _answered(answer: Awaitable[object]) -> object:
    try:
        return await answer
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        # The latter two would leave the event loop and take every task with them.
        raise _RouterFailed(_words(error)) from error


def _understood(answer: object) -> Tier:
    # A string of the router's own making may do anything when it is compared or shown.
    answer = str.__str__(answer) if isinstance(answer, str) else answer
    if not is_tier(answer):
        raise _RouterFailed(f"it answered {_shown(answer)}, which is none of {', '.join(TIERS)}")
    return answer


def _shown(answer: object) -> str:
    return repr(answer[:40]) if isinstance(answer, str) else f"a value of type {type(answer).__name__}"


def _words(error: BaseException) -> str:
    return f"it raised {type(error).__name__}: {foreign_words(error)}"


def _name_of(router: Router | RouteFunction) -> RoutedBy:
    if isinstance(router, RuleRouter):
        return "rules"
    return "trained" if isinstance(router, TrainedRouter) else "router"


def _metadata_of(task: Task) -> Mapping[str, Any]:
    return {} if task.metadata == b"{}" else orjson.loads(task.metadata)
