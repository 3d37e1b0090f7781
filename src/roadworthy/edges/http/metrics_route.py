"""`/metrics`: what Prometheus reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from roadworthy.core.insight.budget_use import BudgetUse
from roadworthy.core.insight.queue_loads import QueueLook
from roadworthy.core.model_gateway.gateway import ModelGateway
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.domain.budget import BudgetScope
from roadworthy.edges.http.budget_gauge import budget_collector
from roadworthy.edges.http.gateway_metrics import gateway_collector
from roadworthy.edges.http.resource import public

if TYPE_CHECKING:
    from prometheus_client.registry import Collector, CollectorRegistry

ANSWER_SECONDS = 3.0
"""Prometheus gives up after ten; without an answer of the store the rest is still worth reading."""

log = structlog.get_logger()


class MetricsRoute:
    """The queue and the budgets as the store knows them, the same from every process, and what this process uses.

    Always answers: if the store does not, `roadworthy_store_up` is 0 and the gauges that come from it are left out.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[QueueLook]],
        budget_use: BudgetUse | None = None,
        gateway: ModelGateway | None = None,
        tools: ToolGateway | None = None,
    ) -> None:
        """`gateway` and `tools` are those of the worker in this process, if there is one."""
        self._ask = look
        self._gateway = gateway
        self._tools = tools
        self._budget_use = budget_use
        self._look: QueueLook | None = None
        self._budgets: Mapping[BudgetScope, float] = {}
        self._registry: CollectorRegistry | None = None

    def routes(self) -> Sequence[BaseRoute]:
        return (public("/metrics", GET=self.metrics),)

    async def metrics(self, request: Request) -> ASGIApp:
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

        if self._registry is None:
            self._registry = _registry(lambda: self._look, lambda: self._budgets)
            if self._gateway is not None:
                self._registry.register(gateway_collector(self._gateway, self._tools))
        look, budgets = None, dict[BudgetScope, float]()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                look = await self._ask()
                if self._budget_use is not None:
                    budgets = await self._budget_use.look()
        except Exception as error:
            log.warning("queue_not_measured", reason=str(error) or type(error).__name__)
        # Read without an await in between: others may be asking, too.
        self._look, self._budgets = look, budgets
        return Response(generate_latest(self._registry), headers={"content-type": CONTENT_TYPE_LATEST})


def _registry(
    look: Callable[[], QueueLook | None], budgets: Callable[[], Mapping[BudgetScope, float]]
) -> CollectorRegistry:
    """Of our own, and made only when it is asked for: importing it takes as long as importing all of the API."""
    from prometheus_client.process_collector import ProcessCollector
    from prometheus_client.registry import CollectorRegistry

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_queue_collector(look))
    registry.register(budget_collector(budgets))
    return registry


def _queue_collector(look: Callable[[], QueueLook | None]) -> Collector:
    from prometheus_client.metrics_core import GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector

    class QueueCollector(Collector):
        def collect(self) -> Iterator[Metric]:
            now = look()
            yield GaugeMetricFamily("roadworthy_store_up", "Whether the store answered.", value=float(now is not None))
            depth = GaugeMetricFamily("roadworthy_queue_depth", "Tasks queued or running.", labels=["lane"])
            oldest = GaugeMetricFamily(
                "roadworthy_queue_oldest_seconds", "How long the oldest claimable task has waited.", labels=["lane"]
            )
            running = GaugeMetricFamily("roadworthy_tasks_running", "Tasks that a worker runs.", labels=["lane"])
            workers = GaugeMetricFamily(
                "roadworthy_lane_workers", "Live workers that serve the lane, on all hosts.", labels=["lane"]
            )
            unserved = GaugeMetricFamily(
                "roadworthy_lane_unserved_seconds",
                "How long claimable tasks have been waiting without a worker that serves the lane.",
                labels=["lane"],
            )
            paused = GaugeMetricFamily(
                "roadworthy_tasks_paused", "Queued tasks in a pause before a retry.", labels=["lane"]
            )
            waiting = GaugeMetricFamily(
                "roadworthy_tasks_waiting",
                "Tasks that wait for a person to decide, or for code that matches their journal.",
                labels=["lane", "for"],
            )
            for lane in now.lanes if now else ():
                depth.add_metric([lane.lane], lane.depth)
                oldest.add_metric([lane.lane], lane.oldest_seconds)
                running.add_metric([lane.lane], lane.running)
                workers.add_metric([lane.lane], lane.workers)
                unserved.add_metric([lane.lane], lane.unserved_seconds)
                paused.add_metric([lane.lane], lane.paused)
                waiting.add_metric([lane.lane, "decision"], lane.undecided)
                waiting.add_metric([lane.lane, "code"], lane.parked)
            yield from (depth, oldest, running, workers, unserved, paused, waiting)
            if now:
                yield GaugeMetricFamily(
                    "roadworthy_upkeep_last_run_seconds",
                    "Since any duty of upkeep last ran, on any host.",
                    value=now.upkeep_seconds,
                )
                yield GaugeMetricFamily("roadworthy_tasks_dead", "Tasks that are dead now.", value=now.dead)

    return QueueCollector()
