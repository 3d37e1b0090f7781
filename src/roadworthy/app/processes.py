"""The processes: everything in one, or its parts."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import anyio.to_thread
import structlog
from starlette.routing import Router

from roadworthy.app.clock import SystemClock
from roadworthy.app.http_server import http_server, is_loopback, listening_socket
from roadworthy.app.logging import configure_logging
from roadworthy.app.run_process import run_process
from roadworthy.app.settings import EMBEDDED, Settings, read_settings
from roadworthy.app.stores import Addresses, Stores, addresses, migrated, open_stores
from roadworthy.app.targets import load_targets
from roadworthy.core.announcer import Announcer
from roadworthy.core.execution.run_attempt import Served
from roadworthy.core.execution.worker import Worker, WorkerPorts, WorkerSettings
from roadworthy.core.insight.follow_task import FollowTask
from roadworthy.core.insight.followers import Followers
from roadworthy.core.insight.sessions import Sessions
from roadworthy.core.insight.tasks import Tasks
from roadworthy.core.intake.admit import Intake
from roadworthy.core.publisher import EventPublisher
from roadworthy.core.upkeep.duty import UpkeepPorts
from roadworthy.core.upkeep.rescue_expired_leases import RescueExpiredLeases
from roadworthy.core.upkeep.upkeep import Upkeep, all_duties
from roadworthy.domain.errors import PortTaken, RoadworthyError, SettingsInvalid
from roadworthy.edges.http.application import http_app
from roadworthy.edges.http.dependencies import HttpDependencies
from roadworthy.edges.http.health_routes import HealthRoutes

log = structlog.get_logger()


def run_serve(targets: Sequence[str], host: str, port: int) -> None:
    settings = _ready(host)
    served = load_targets(targets)
    with listening_socket(host, port) as listener:
        run_process(lambda stop: _serve(settings, served, listener, stop))


def run_api(targets: Sequence[str], host: str, port: int) -> None:
    settings = _ready(host)
    _needs_shared_stores(settings, "api")
    served = load_targets(targets)
    with listening_socket(host, port) as listener:
        run_process(lambda stop: _api(settings, served, listener, stop))


def run_worker(targets: Sequence[str], health_port: int) -> None:
    settings = _ready(None)
    _needs_shared_stores(settings, "worker")
    served = load_targets(targets)
    run_process(lambda stop: _worker(settings, served, health_port, stop))


def run_upkeep() -> None:
    settings = _ready(None)
    _needs_shared_stores(settings, "upkeep")
    run_process(lambda stop: _upkeep(settings, stop))


def run_migrate() -> None:
    settings = _ready(None)
    if settings.database_url == EMBEDDED:
        raise SettingsInvalid(
            "set ROADWORTHY_DATABASE_URL to the database to migrate; `roadworthy serve` migrates its own by itself"
        )

    async def bring(_: asyncio.Event) -> None:
        async with addresses(settings) as where:
            await migrated(where)
        log.info("migrated")

    run_process(bring)


async def _serve(
    settings: Settings, served: Mapping[str, Served], listener: socket.socket, stop: asyncio.Event
) -> None:
    async with AsyncExitStack() as stack:
        where, stores = await _opened(stack, settings)
        if where.exclusive:
            await _take_over(stores, settings)
        await stack.enter_async_context(_api_running(stores, served, listener))
        await stack.enter_async_context(_upkeep_running(stores, settings))
        worker = _new_worker(stores, served, settings)
        _announce(listener, served)
        await _until_drained(worker, stop)


async def _api(settings: Settings, served: Mapping[str, Served], listener: socket.socket, stop: asyncio.Event) -> None:
    async with AsyncExitStack() as stack:
        _, stores = await _opened(stack, settings)
        await stack.enter_async_context(_api_running(stores, served, listener))
        _announce(listener, served)
        await stop.wait()


async def _worker(settings: Settings, served: Mapping[str, Served], health_port: int, stop: asyncio.Event) -> None:
    async with AsyncExitStack() as stack:
        _, stores = await _opened(stack, settings)
        worker = _new_worker(stores, served, settings)
        if health_port:
            try:
                listener = stack.enter_context(listening_socket("127.0.0.1", health_port))
            except PortTaken as error:
                log.warning("no_health_port", reason=error.message)
            else:
                health = HealthRoutes({"store": stores.tasks.ping, "loop": _loop_check(worker)})
                await stack.enter_async_context(http_server(Router(health.routes()), listener))
        await _until_drained(worker, stop)


async def _upkeep(settings: Settings, stop: asyncio.Event) -> None:
    async with AsyncExitStack() as stack:
        _, stores = await _opened(stack, settings)
        await stack.enter_async_context(_upkeep_running(stores, settings))
        log.info("upkeep_started")
        await stop.wait()


async def _opened(stack: AsyncExitStack, settings: Settings) -> tuple[Addresses, Stores]:
    where = await stack.enter_async_context(addresses(settings))
    await migrated(where)
    stores = await stack.enter_async_context(open_stores(where, settings.database_connections))
    return where, stores


async def _take_over(stores: Stores, settings: Settings) -> None:
    """Nobody else can be working on this database: what was running when it stopped is taken over at once."""
    await stores.registry.end_all_leases()
    publisher, announcer = _announcing(stores)
    ports = UpkeepPorts(stores.upkeep, announcer)
    while count := await RescueExpiredLeases(settings.lease_seconds, settings.max_retries).rescue(ports):
        log.info("tasks_taken_over", count=count, reason="the process that ran them has ended")
    await announcer.close()
    await publisher.close()


def _announcing(stores: Stores) -> tuple[EventPublisher, Announcer]:
    publisher = EventPublisher(stores.event_log)
    return publisher, Announcer(stores.queue, publisher, stores.cancel_signals)


@asynccontextmanager
async def _api_running(stores: Stores, served: Mapping[str, Served], listener: socket.socket) -> AsyncGenerator[None]:
    clock = SystemClock()
    publisher, announcer = _announcing(stores)
    intake = Intake([one.service for one in served.values()], stores.tasks, announcer)
    followers = Followers(stores.tasks, clock)
    follow = FollowTask(stores.tasks, stores.journal, stores.event_log, followers, clock)
    tasks = Tasks(stores.tasks, stores.journal, follow)
    checks = {"store": stores.tasks.ping}
    app = http_app(HttpDependencies(intake, tasks, Sessions(stores.sessions), follow, clock, checks))
    try:
        async with http_server(app, listener):
            try:
                yield
            finally:
                # Open streams would hold the server up; their clients come back to another one.
                followers.dismiss()
    finally:
        await intake.close()
        await announcer.close()
        await publisher.close()


@asynccontextmanager
async def _upkeep_running(stores: Stores, settings: Settings) -> AsyncGenerator[None]:
    publisher, announcer = _announcing(stores)
    duties = all_duties(settings.lease_seconds, settings.max_retries)
    upkeep = Upkeep(
        duties, stores.schedule, UpkeepPorts(stores.upkeep, announcer), pause_seconds=settings.lease_seconds
    )
    upkeep.start()
    try:
        yield
    finally:
        await upkeep.stop()
        await announcer.close()
        await publisher.close()


def _new_worker(stores: Stores, served: Mapping[str, Served], settings: Settings) -> Worker:
    anyio.to_thread.current_default_thread_limiter().total_tokens = max(40, settings.worker_concurrency)
    # With thousands of live tasks the collector would walk all of them again and again: 9.7 s instead of 31 s for
    # 4,000 agent runs at once.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    ports = WorkerPorts(
        stores.tasks,
        stores.journal,
        stores.sessions,
        stores.queue,
        stores.event_log,
        stores.cancel_signals,
        stores.open_registry,
    )
    return Worker(
        ports,
        served,
        WorkerSettings(
            settings.worker_concurrency, settings.lease_seconds, settings.drain_seconds, settings.max_retries
        ),
    )


def _loop_check(worker: Worker) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        if seconds := worker.watchdog.blocked_seconds:
            raise RoadworthyError(f"the event loop stood still for {seconds:.1f} s")

    return check


async def _until_drained(worker: Worker, stop: asyncio.Event) -> None:
    running = asyncio.create_task(worker.run())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    worker.drain()
    await running


def _ready(host: str | None) -> Settings:
    settings = read_settings()
    configure_logging(settings.log_level, settings.log_format)
    if settings.auth != "dev":
        raise SettingsInvalid("ROADWORTHY_AUTH=jwt is not there yet; this release serves loopback addresses only")
    if host is not None and not is_loopback(host):
        raise SettingsInvalid(
            f"ROADWORTHY_AUTH=dev lets everybody in, so it works on a loopback address only, not on {host}; "
            "use --host 127.0.0.1"
        )
    return settings


def _needs_shared_stores(settings: Settings, command: str) -> None:
    if EMBEDDED in (settings.database_url, settings.redis_url):
        raise SettingsInvalid(
            f"`roadworthy {command}` shares its stores with other processes: set ROADWORTHY_DATABASE_URL and "
            "ROADWORTHY_REDIS_URL, or use `roadworthy serve`, which starts its own"
        )


def _announce(listener: socket.socket, served: Mapping[str, Served]) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    names = ", ".join(sorted(served))
    sys.stdout.write(f"Roadworthy serves {names} on {url}\nTalk to it: roadworthy chat --url {url}\n")
    sys.stdout.flush()
