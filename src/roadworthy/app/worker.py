"""`roadworthy worker`: one process that claims tasks and runs them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack

import anyio.to_thread

from roadworthy.app.clock import SystemClock
from roadworthy.app.gateway import new_gateway, new_tool_gateway
from roadworthy.app.health_server import health_server
from roadworthy.app.prepare import prepared_for_shared_stores
from roadworthy.app.price_file import price_book
from roadworthy.app.run_process import run_process
from roadworthy.app.sandbox import sandbox_open
from roadworthy.app.settings import Settings
from roadworthy.app.stores import Stores, opened
from roadworthy.app.targets import load_targets
from roadworthy.core.execution.run_attempt import Served
from roadworthy.core.execution.worker import Worker, WorkerPorts, WorkerSettings
from roadworthy.core.insight.budget_use import BudgetUse
from roadworthy.core.insight.queue_loads import QueueLoads
from roadworthy.core.insight.upkeep_watch import UpkeepWatch
from roadworthy.core.model_gateway.gateway import ModelGateway
from roadworthy.core.model_gateway.prices import PriceBook
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.domain.errors import RoadworthyError
from roadworthy.edges.http.health_routes import HealthRoutes
from roadworthy.edges.http.metrics_route import MetricsRoute


def run_worker(targets: Sequence[str], health_port: int) -> None:
    settings = prepared_for_shared_stores("worker")
    book = price_book(settings.prices)
    served = load_targets(targets, book)
    run_process(lambda stop: _worker(settings, served, book, health_port, stop))


async def _worker(
    settings: Settings, served: Mapping[str, Served], book: PriceBook, health_port: int, stop: asyncio.Event
) -> None:
    async with AsyncExitStack() as stack:
        _, stores = await opened(stack, settings)
        worker = new_worker(stores, served, settings, new_gateway(stores, served, settings, book))
        clock = SystemClock()
        upkeep = UpkeepWatch(stores.schedule, clock)
        health = HealthRoutes({"store": upkeep.watched(stores.tasks.ping), "loop": _loop_check(worker)})
        metrics = MetricsRoute(
            QueueLoads(stores.lanes, upkeep, clock).look,
            BudgetUse(stores.accounts, settings.budget_limits, clock),
            worker.gateway,
            worker.tool_gateway,
        )
        await stack.enter_async_context(health_server(health_port, [*health.routes(), *metrics.routes()]))
        await until_drained(worker, stop)


def new_worker(
    stores: Stores,
    served: Mapping[str, Served],
    settings: Settings,
    gateway: ModelGateway,
    tools: ToolGateway | None = None,
) -> Worker:
    anyio.to_thread.current_default_thread_limiter().total_tokens = max(40, settings.worker_concurrency)
    # With thousands of live tasks the collector would walk all of them again and again: 9.7 s instead of 31 s for
    # 4,000 agent runs at once. The second number is how soon it looks at what was in use when it looked first: with 50
    # that took 60,000 tasks, and a worker grew by 75 MB until then.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 100)
    ports = WorkerPorts(
        stores.tasks,
        stores.journal,
        stores.sessions,
        stores.queue,
        stores.event_log,
        stores.cancel_signals,
        stores.open_registry,
        ledger=stores.ledger,
        decisions=stores.decisions,
    )
    return Worker(
        ports,
        served,
        WorkerSettings(
            settings.worker_concurrency,
            settings.lease_seconds,
            settings.drain_seconds,
            settings.max_retries,
            budgets=settings.budget_limits,
        ),
        gateway,
        tools or new_tool_gateway(settings, stores, gateway),
    )


async def until_drained(worker: Worker, stop: asyncio.Event) -> None:
    """Run the worker until `stop`, then until it has handed over what it had. SandboxFailed where its sandbox is one of
    this machine that does not work here."""
    async with sandbox_open(worker.tool_gateway.sandbox):
        running = asyncio.create_task(worker.run())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        worker.drain()
        await running


def _loop_check(worker: Worker) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        if seconds := worker.watchdog.blocked_seconds:
            raise RoadworthyError(f"the event loop stood still for {seconds:.1f} s")

    return check
