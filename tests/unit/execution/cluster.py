"""A worker over the in-memory stores, and the agents that it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.budget_accounts import MemoryBudgetAccounts
from roadworthy.adapters.memory.budget_ledger import MemoryBudgetLedger
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.decisions import MemoryDecisions
from roadworthy.adapters.memory.event_log import MemoryCancelSignals, MemoryEventLog
from roadworthy.adapters.memory.faults import Faults
from roadworthy.adapters.memory.journal import MemoryJournal
from roadworthy.adapters.memory.lanes import MemoryLanes
from roadworthy.adapters.memory.session_store import MemorySessionStore
from roadworthy.adapters.memory.task_store import MemoryTaskStore
from roadworthy.adapters.memory.task_upkeep import MemoryTaskUpkeep
from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.adapters.memory.worker_registry import MemoryWorkerRegistry
from roadworthy.core.execution.heartbeat import RunBeside, in_a_thread
from roadworthy.core.execution.run_attempt import Served
from roadworthy.core.execution.worker import Worker, WorkerPorts, WorkerSettings
from roadworthy.core.model_gateway.gateway import ModelGateway
from roadworthy.core.model_gateway.prices import PriceBook
from roadworthy.core.model_gateway.reply_caches import ReplyCaches
from roadworthy.domain.event import Event, rebuilt_events
from roadworthy.domain.ids import new_id
from roadworthy.domain.price import Price
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.service import AgentService
from roadworthy.domain.task import LIFE_ENDS, NewTask, OnBusy, Task, TaskStatus
from roadworthy.frameworks import runner_for
from roadworthy.ports.task_store import Submitted

FREE_MODELS = dict.fromkeys(("m", "first", "second", "last", "gpt"), Price.free())
"""Of the plain functions that these tests run."""


class WallClock:
    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Cluster:
    """Stores that stay while workers come and go."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.database = MemoryDatabase(WallClock(), faults)
        self.broker = MemoryBroker(WallClock())
        self.tasks = MemoryTaskStore(self.database)
        self.journal = MemoryJournal(self.database)
        self.sessions = MemorySessionStore(self.database)
        self.decisions = MemoryDecisions(self.database)
        self.upkeep = MemoryTaskUpkeep(self.database)
        self.lanes = MemoryLanes(self.database)
        self.event_log = MemoryEventLog(self.broker)
        self.ledger = MemoryBudgetLedger(self.database)
        self.accounts = MemoryBudgetAccounts(self.database)
        self.run_beside: RunBeside = in_a_thread
        self.caches = ReplyCaches.off()

    def worker(self, *services: AgentService, **settings: Any) -> Worker:
        ports = WorkerPorts(
            self.tasks,
            self.journal,
            self.sessions,
            MemoryWorkQueue(self.broker),
            self.event_log,
            MemoryCancelSignals(self.broker),
            self._registry,
            self.run_beside,
            self.ledger,
            self.decisions,
        )
        served = {service.lane: Served(service, runner_for(service)) for service in services}
        served |= {lane: served[service.lane] for service in services for lane in service.continued_lanes}
        gateway = ModelGateway(price_book=PriceBook(FREE_MODELS), caches=self.caches)
        tools = settings.pop("tool_gateway", None)
        settings = {"lease_seconds": 5, "drain_seconds": 5} | settings
        return Worker(ports, served, WorkerSettings(**settings), gateway, tool_gateway=tools)

    @asynccontextmanager
    async def working(self, *services: AgentService, **settings: Any) -> AsyncGenerator[Worker]:
        worker = self.worker(*services, **settings)
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.drain()
            await running

    async def submit(self, service: AgentService, text: str = "hello", ticket: bool = True, **fields: Any) -> Task:
        task = NewTask(
            id=new_id(),
            principal=fields.pop("principal", DEVELOPER),
            session_id=fields.pop("session_id", None) or new_id(),
            opens_session=fields.pop("opens_session", True),
            agent=service.name,
            version=service.version,
            input=text,
            limits=fields.pop("limits", service.limits),
            on_busy=fields.pop("on_busy", OnBusy.QUEUE),
            **fields,
        )
        (outcome,) = await self.tasks.submit([task])
        assert isinstance(outcome, Submitted)
        if ticket:
            await MemoryWorkQueue(self.broker).post({outcome.task.lane})
        return outcome.task

    async def find(self, task: Task) -> Task:
        return await self.tasks.find(task.principal, task.id)

    async def until(self, task: Task, wanted: Callable[[Task], bool]) -> Task:
        async with asyncio.timeout(60):
            while not wanted(found := await self.find(task)):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        return found

    async def ended(self, task: Task) -> Task:
        return await self.until(task, lambda found: found.status in LIFE_ENDS)

    async def reaches(self, task: Task, status: TaskStatus) -> Task:
        return await self.until(task, lambda found: found.status is status)

    async def released(self, task: Task) -> None:
        """Wait until the pause before its next try is over."""
        async with asyncio.timeout(60):
            while not await self.upkeep.release_due_tasks(10):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await MemoryWorkQueue(self.broker).post({task.lane})

    async def events(self, task: Task, after: int = 0) -> list[Event]:
        found = await self.find(task)
        return rebuilt_events(found.changes, await self.journal.read(DEVELOPER, task.id), after)

    @asynccontextmanager
    async def _registry(self) -> AsyncGenerator[MemoryWorkerRegistry]:
        yield MemoryWorkerRegistry(self.database)
