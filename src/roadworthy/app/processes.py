"""The processes: everything in one, or its parts but the worker."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from roadworthy.app.clock import SystemClock
from roadworthy.app.gateway import new_gateway, new_tool_gateway
from roadworthy.app.http_server import http_server, listening_socket
from roadworthy.app.prepare import prepared, prepared_for_shared_stores
from roadworthy.app.price_file import price_book
from roadworthy.app.run_process import run_process
from roadworthy.app.settings import EMBEDDED, Settings
from roadworthy.app.stores import Stores, addresses, migrated, opened
from roadworthy.app.targets import load_targets
from roadworthy.app.unserved_lanes import name_unserved_lanes
from roadworthy.app.worker import new_worker, until_drained
from roadworthy.core.announcer import Announcer
from roadworthy.core.execution.run_attempt import Served
from roadworthy.core.insight.budget_use import BudgetUse
from roadworthy.core.insight.budgets import Budgets
from roadworthy.core.insight.dead_letters import DeadLetterReader
from roadworthy.core.insight.follow_task import FollowTask
from roadworthy.core.insight.followers import Followers
from roadworthy.core.insight.pending import PendingReader
from roadworthy.core.insight.queue_loads import QueueLoads
from roadworthy.core.insight.sessions import Sessions
from roadworthy.core.insight.tasks import Tasks
from roadworthy.core.insight.upkeep_watch import UpkeepWatch
from roadworthy.core.insight.usage import UsageReader
from roadworthy.core.intake.admit import Intake
from roadworthy.core.intake.used_up_budgets import UsedUpBudgets
from roadworthy.core.model_gateway.gateway import ModelGateway
from roadworthy.core.model_gateway.prices import PriceBook
from roadworthy.core.operations.clear_caches import ClearCaches
from roadworthy.core.operations.correct_charge import CorrectCharge
from roadworthy.core.operations.dead_tasks import DeadTasks
from roadworthy.core.operations.decide_call import DecideCall
from roadworthy.core.operations.move_tasks import MoveTasks
from roadworthy.core.publisher import EventPublisher
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.core.upkeep.duty import UpkeepPorts
from roadworthy.core.upkeep.rescue_expired_leases import RescueExpiredLeases
from roadworthy.core.upkeep.upkeep import Upkeep, all_duties
from roadworthy.domain.errors import SettingsInvalid
from roadworthy.edges.http.application import http_app
from roadworthy.edges.http.dependencies import HttpDependencies
from roadworthy.edges.http.metrics_route import MetricsRoute

log = structlog.get_logger()


def run_serve(targets: Sequence[str], host: str, port: int) -> None:
    settings = prepared(host)
    book = price_book(settings.prices)
    served = load_targets(targets, book)
    with listening_socket(host, port) as listener:
        run_process(lambda stop: _serve(settings, served, book, listener, stop))


def run_api(targets: Sequence[str], host: str, port: int) -> None:
    settings = prepared_for_shared_stores("api", host)
    served = load_targets(targets, price_book(settings.prices))
    with listening_socket(host, port) as listener:
        run_process(lambda stop: _api(settings, served, listener, stop))


def run_upkeep() -> None:
    settings = prepared_for_shared_stores("upkeep")
    run_process(lambda stop: _upkeep(settings, stop))


def run_migrate() -> None:
    settings = prepared(None)
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
    settings: Settings, served: Mapping[str, Served], book: PriceBook, listener: socket.socket, stop: asyncio.Event
) -> None:
    async with AsyncExitStack() as stack:
        where, stores = await opened(stack, settings)
        if where.exclusive:
            await _take_over(stores, settings)
        gateway = new_gateway(stores, served, settings, book)
        tools = new_tool_gateway(settings, stores, gateway)
        await stack.enter_async_context(_api_running(stores, settings, served, listener, gateway, tools))
        await stack.enter_async_context(_upkeep_running(stores, settings))
        worker = new_worker(stores, served, settings, gateway, tools)
        _announce(listener, served)
        await name_unserved_lanes(stores.lanes, served)
        await until_drained(worker, stop)


async def _api(settings: Settings, served: Mapping[str, Served], listener: socket.socket, stop: asyncio.Event) -> None:
    async with AsyncExitStack() as stack:
        _, stores = await opened(stack, settings)
        await stack.enter_async_context(_api_running(stores, settings, served, listener))
        _announce(listener, served)
        await stop.wait()


async def _upkeep(settings: Settings, stop: asyncio.Event) -> None:
    async with AsyncExitStack() as stack:
        _, stores = await opened(stack, settings)
        await stack.enter_async_context(_upkeep_running(stores, settings))
        log.info("upkeep_started")
        await stop.wait()


async def _take_over(stores: Stores, settings: Settings) -> None:
    """Nobody else can be working on this database: what was running when it stopped is taken over at once."""
    await stores.registry.end_all_leases()
    publisher, announcer = _announcing(stores)
    ports = UpkeepPorts(stores.upkeep, announcer, stores.lanes, stores.accounts)
    while count := await RescueExpiredLeases(settings.lease_seconds, settings.max_retries).rescue(ports):
        log.info("tasks_taken_over", count=count, reason="the process that ran them has ended")
    await announcer.close()
    await publisher.close()


def _announcing(stores: Stores) -> tuple[EventPublisher, Announcer]:
    publisher = EventPublisher(stores.event_log)
    return publisher, Announcer(stores.queue, publisher, stores.cancel_signals)


@asynccontextmanager
async def _api_running(
    stores: Stores,
    settings: Settings,
    served: Mapping[str, Served],
    listener: socket.socket,
    gateway: ModelGateway | None = None,
    tools: ToolGateway | None = None,
) -> AsyncGenerator[None]:
    """`gateway` and `tools` are those of the worker in this process, if there is one."""
    clock, limits = SystemClock(), settings.budget_limits
    publisher, announcer = _announcing(stores)
    own = [one.service for lane, one in served.items() if lane == one.service.lane]
    intake = Intake(own, stores.tasks, announcer, UsedUpBudgets(stores.accounts, limits, clock))
    followers = Followers(stores.tasks, clock)
    follow = FollowTask(stores.tasks, stores.journal, stores.event_log, followers, clock)
    tasks = Tasks(stores.tasks, stores.journal, follow)
    upkeep = UpkeepWatch(stores.schedule, clock)
    checks = {"store": upkeep.watched(stores.tasks.ping)}
    loads = QueueLoads(stores.lanes, upkeep, clock)
    letters = DeadLetterReader(stores.dead_letters, stores.operator_actions, stores.journal, stores.sessions)
    dead = DeadTasks(stores.dead_letters, stores.journal, announcer, [one.service for one in served.values()])
    sessions = Sessions(stores.sessions)
    app = http_app(
        HttpDependencies(
            intake=intake,
            tasks=tasks,
            sessions=sessions,
            follow=follow,
            clock=clock,
            dead_letters=letters,
            dead_tasks=dead,
            loads=loads,
            move_tasks=MoveTasks(stores.lanes, announcer),
            grades=stores.grades,
            clear_caches=ClearCaches([stores.cache, stores.similar_replies], stores.operator_actions),
            cached_lanes={lane for lane, one in served.items() if one.service.cache is not None},
            budgets=Budgets(stores.accounts, limits),
            correct_charge=CorrectCharge(stores.accounts),
            decide_call=DecideCall(stores.tasks, stores.journal, stores.decisions, announcer, settings.lease_seconds),
            pending=PendingReader(stores.decisions, stores.journal, settings.lease_seconds),
            usage=UsageReader(stores.accounts),
            ready_checks=checks,
            metrics=MetricsRoute(loads.look, BudgetUse(stores.accounts, limits, clock), gateway, tools),
        )
    )
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
    duties = all_duties(settings.lease_seconds, settings.max_retries, settings.budget_limits, stores.similar_replies)
    upkeep = Upkeep(
        duties,
        stores.schedule,
        UpkeepPorts(stores.upkeep, announcer, stores.lanes, stores.accounts),
        pause_seconds=settings.lease_seconds,
    )
    upkeep.start()
    try:
        yield
    finally:
        await upkeep.stop()
        await announcer.close()
        await publisher.close()


def _announce(listener: socket.socket, served: Mapping[str, Served]) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    names = ", ".join(sorted(served))
    sys.stdout.write(f"Roadworthy serves {names} on {url}\nTalk to it: roadworthy chat --url {url}\n")
    sys.stdout.flush()
