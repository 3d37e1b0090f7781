"""`roadworthy worker --min … --max …`: as many worker processes as the queue needs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from roadworthy.app.clock import SystemClock
from roadworthy.app.health_server import health_server
from roadworthy.app.prepare import prepared_for_shared_stores
from roadworthy.app.price_file import price_book
from roadworthy.app.run_process import run_process
from roadworthy.app.scale_workers import scale_workers
from roadworthy.app.settings import Settings
from roadworthy.app.stores import opened
from roadworthy.app.supervised_worker import MORE_THAN_DRAINING_SECONDS
from roadworthy.app.supervisor import Supervisor, SupervisorSettings
from roadworthy.app.targets import load_targets
from roadworthy.app.worker_child import WorkerChild
from roadworthy.core.execution.scaling import ScalingRule
from roadworthy.core.insight.queue_loads import QueueLoads
from roadworthy.core.insight.upkeep_watch import UpkeepWatch
from roadworthy.domain.errors import SettingsInvalid
from roadworthy.edges.http.health_routes import HealthRoutes
from roadworthy.edges.http.metrics_route import MetricsRoute

LEAST_SILENT_SECONDS = 3.0
"""A worker reports every second; on a busy machine one report may well be late."""
STORE_CONNECTIONS = 2


def run_supervisor(targets: Sequence[str], minimum: int | None, maximum: int | None, health_port: int) -> None:
    settings = prepared_for_shared_stores("worker")
    rule = scaling_rule(settings, minimum, maximum)
    # Loaded here as well: what can't be loaded is said once, before there is any process to fail at it.
    lanes = {lane: one.service.lane for lane, one in load_targets(targets, price_book(settings.prices)).items()}
    run_process(lambda stop: _supervise(settings, rule, targets, lanes, health_port, stop))


def scaling_rule(settings: Settings, minimum: int | None, maximum: int | None) -> ScalingRule:
    """The bounds that were given; one that was not is the setting's, moved where it would contradict the other."""
    if minimum is None:
        minimum = settings.min_workers if maximum is None else min(settings.min_workers, maximum)
    if maximum is None:
        maximum = max(settings.max_workers, minimum)
    if minimum > maximum:
        raise SettingsInvalid(f"--min {minimum} is more than --max {maximum}")
    if settings.scale_down_threshold >= settings.scale_up_threshold:
        raise SettingsInvalid(
            "ROADWORTHY_SCALE_DOWN_THRESHOLD must be less than ROADWORTHY_SCALE_UP_THRESHOLD, or workers would be "
            "started and ended by turns"
        )
    return ScalingRule(
        minimum,
        maximum,
        settings.scale_up_threshold,
        settings.scale_down_threshold,
        settings.scale_down_seconds,
        largest_step=_processors(),
    )


async def _supervise(
    settings: Settings,
    rule: ScalingRule,
    targets: Sequence[str],
    lanes: Mapping[str, str],
    health_port: int,
    stop: asyncio.Event,
) -> None:
    async with AsyncExitStack() as stack:
        few = settings.model_copy(update={"database_connections": STORE_CONNECTIONS})
        _, stores = await opened(stack, few)
        supervisor = Supervisor(_spawning(targets), stores.registry, _supervisor_settings(settings, rule))
        checks = {"store": stores.tasks.ping, "workers": supervisor.check}
        health = HealthRoutes(checks, supervisor.shown)
        clock = SystemClock()
        upkeep = UpkeepWatch(stores.schedule, clock)
        metrics = MetricsRoute(QueueLoads(stores.lanes, upkeep, clock).look)
        await stack.enter_async_context(health_server(health_port, [*health.routes(), *metrics.routes()]))
        scaling = asyncio.create_task(scale_workers(supervisor, stores.lanes, upkeep, lanes, rule))
        try:
            await supervisor.run(stop)
        finally:
            scaling.cancel()


def _spawning(targets: Sequence[str]) -> Callable[[Callable[[], object]], asyncio.Future[WorkerChild]]:
    return lambda news: asyncio.ensure_future(WorkerChild.spawn(targets, news))


def _supervisor_settings(settings: Settings, rule: ScalingRule) -> SupervisorSettings:
    return SupervisorSettings(
        minimum=rule.minimum,
        maximum=rule.maximum,
        slots=settings.worker_concurrency,
        started_at_once=_processors(),
        # By LEASE_SECONDS the operator has said how long a lost worker may hold up its tasks; one that stands still
        # holds them up just the same.
        silent_seconds=max(settings.lease_seconds, LEAST_SILENT_SECONDS),
        drain_patience=settings.drain_seconds + MORE_THAN_DRAINING_SECONDS,
        lease_seconds=settings.lease_seconds,
    )


def _processors() -> int:
    """How many this process may use: starting more workers at once than that only slows down those that work."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
