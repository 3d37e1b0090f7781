"""A worker: claims tasks of its lanes while it has free slots, and hands over what it has when it drains."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from roadworthy.core.announcer import Announcer
from roadworthy.core.committed_together import CommittedTogether
from roadworthy.core.execution.abandoned import Abandoned
from roadworthy.core.execution.heartbeat import Heartbeat, OpenRegistry, RunBeside, in_a_thread
from roadworthy.core.execution.loop_watchdog import LoopWatchdog
from roadworthy.core.execution.run_attempt import AttemptPorts, RunningAttempt, Served
from roadworthy.core.model_gateway.gateway import ModelGateway
from roadworthy.core.money.money import Money
from roadworthy.core.outage import Outage
from roadworthy.core.publisher import EventPublisher
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.core.tool_gateway.tool_threads import ToolThreads
from roadworthy.domain.budget import BudgetLimits
from roadworthy.domain.errors import (
    BrokerUnavailable,
    CancelRequested,
    HandoverRequested,
    LeaseLost,
    StoreUnavailable,
)
from roadworthy.domain.ids import TaskId
from roadworthy.domain.lease import Lease
from roadworthy.domain.task import Claimed
from roadworthy.ports.budget_ledger import BudgetLedger
from roadworthy.ports.decisions import Decisions
from roadworthy.ports.event_log import CancelSignals, EventLog
from roadworthy.ports.journal import Journal
from roadworthy.ports.session_store import SessionStore
from roadworthy.ports.task_store import TaskStore
from roadworthy.ports.work_queue import WorkQueue

UNASKED_SECONDS = 2.0
LARGEST_CLAIM = 100

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WorkerPorts:
    tasks: TaskStore
    journal: Journal
    sessions: SessionStore
    queue: WorkQueue
    event_log: EventLog
    cancel_signals: CancelSignals
    open_registry: OpenRegistry
    run_beside: RunBeside = in_a_thread
    """How the heartbeat is kept apart from the event loop of the tasks."""
    ledger: BudgetLedger | None = None
    """Without one only each task's own limit holds."""
    decisions: Decisions | None = None
    """Without them nobody's decision reaches a task."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    concurrency: int = 50
    lease_seconds: float = 30
    drain_seconds: float = 60
    max_retries: int = 3
    grace_seconds: float = 5
    """How long an agent may take to end once it was told to; then the worker goes on without it."""
    budgets: BudgetLimits = field(default_factory=BudgetLimits)


class Worker:
    """Runs up to `concurrency` tasks at once. `run` returns when the worker has drained."""

    def __init__(
        self,
        ports: WorkerPorts,
        served: Mapping[str, Served],
        settings: WorkerSettings,
        gateway: ModelGateway | None = None,
        tool_gateway: ToolGateway | None = None,
    ) -> None:
        self._ports = ports
        self._served = served
        self._settings = settings
        self._lanes = tuple(served)
        # A ticket in a lane that it continues may be meant for a worker of that version: it asks there unasked only.
        self._ticket_lanes = tuple(lane for lane, one in served.items() if one.service.lane == lane)
        self._running: dict[TaskId, tuple[RunningAttempt, asyncio.Task[None]]] = {}
        self._slot_free = asyncio.Event()
        self._claim_in_doubt = False
        self._claims_fail = Outage("claim_failed")
        self._cancelled_while_claiming: set[TaskId] = set()
        self._look_again_at = time.monotonic() + settings.lease_seconds
        self._draining = asyncio.Event()
        self._publisher = EventPublisher(ports.event_log)
        self._append = CommittedTogether(ports.journal.append)
        self._settle = CommittedTogether(ports.tasks.settle)
        self._announcer = Announcer(ports.queue, self._publisher, ports.cancel_signals)
        self.abandoned = Abandoned()
        self._threads = ToolThreads()
        self.gateway = self._with_money(gateway or ModelGateway())
        self.tool_gateway = tool_gateway or ToolGateway(lease_seconds=settings.lease_seconds)
        self._attempt_ports = AttemptPorts(
            ports.journal,
            ports.sessions,
            self._append,
            self._settle,
            self._publisher,
            settings.max_retries,
            settings.grace_seconds,
            self.abandoned,
            self._threads,
            self.gateway,
            self.tool_gateway,
            ports.decisions,
        )
        self._heartbeat = Heartbeat(
            ports.open_registry,
            {lane: one.runner.code for lane, one in served.items()},
            settings.lease_seconds,
            self._cancelled,
            self._lost,
            ports.run_beside,
            {lane: one.service.version for lane, one in served.items() if one.service.lane != lane},
        )
        self.watchdog = LoopWatchdog(self._held_by, lambda: self._threads.seen_lately)

    def _with_money(self, gateway: ModelGateway) -> ModelGateway:
        if self._ports.ledger is None:
            return gateway
        money = Money(self._ports.ledger, self._settings.budgets, lambda: self._heartbeat.present[0].id)
        return replace(gateway, money=money)

    @property
    def running(self) -> int:
        return len(self._running)

    def drain(self) -> None:
        """Claim nothing more and hand over what runs at its next journal boundary."""
        if not self._draining.is_set():
            self._draining.set()
            for running, _ in self._running.values():
                running.ask_to_end(HandoverRequested())

    async def run(self) -> None:
        async with self._at_work():
            await self._unless_draining(self.gateway.caches.warm_up())
            while not self._draining.is_set():
                free = await self._free_slots()
                claimed = await self._claim(free)
                for one, lease in claimed:
                    self._start(one, lease)
                self._cancelled_while_claiming.clear()
                if len(claimed) == free:
                    self._announcer.wake({one.task.lane for one, _ in claimed})
                else:
                    await self._wait_for_work()
            await self._hand_over()

    @asynccontextmanager
    async def _at_work(self) -> AsyncGenerator[None]:
        self.watchdog.start()
        await self._heartbeat.start()
        signals = asyncio.create_task(self._listen_for_cancels())
        log.info("worker_started", lanes=list(self._lanes), concurrency=self._settings.concurrency)
        try:
            yield
        except BaseException:
            for _, task in self._running.values():
                task.cancel()
            raise
        finally:
            signals.cancel()
            await self._stop_running()
            await self._append.close()
            await self._settle.close()
            await self.gateway.breakers.close()
            await self.gateway.caches.close()
            await self.tool_gateway.last_results.close()
            await self.gateway.money.close()
            await self._announcer.close()
            await self._publisher.close()
            await asyncio.gather(signals, return_exceptions=True)
            await self._heartbeat.stop()
            self.watchdog.stop()
            self._threads.close()
            log.info("worker_stopped")

    # Claiming

    async def _free_slots(self) -> int:
        while len(self._running) >= self._settings.concurrency and not self._draining.is_set():
            self._slot_free.clear()
            await self._unless_draining(self._slot_free.wait())
        return min(max(self._settings.concurrency - len(self._running), 0), LARGEST_CLAIM)

    async def _claim(self, limit: int) -> Sequence[tuple[Claimed, Lease]]:
        if not limit:
            return []
        worker, lease = self._heartbeat.present
        tasks = self._ports.tasks
        try:
            # A claim whose answer was lost, or that arrived after it was given up, leaves its tasks with a worker that
            # does not know of them, for as long as it lives.
            if self._claim_in_doubt or time.monotonic() >= self._look_again_at:
                claimed = await tasks.claimed_by(worker.id, list(self._running))
                self._claim_in_doubt = False
                self._look_again_at = time.monotonic() + self._settings.lease_seconds
                if claimed:
                    return [(one, lease) for one in claimed]
            self._claim_in_doubt = True
            claimed = await tasks.claim(worker.id, self._lanes, limit)
            self._claim_in_doubt = False
            self._claims_fail.is_over()
        except StoreUnavailable as error:
            self._claims_fail.goes_on(error.message)
            await self._unless_draining(asyncio.sleep(0.3 + random.random() / 2))  # noqa: S311
            return []
        return [(one, lease) for one in claimed]

    async def _wait_for_work(self) -> None:
        seconds = UNASKED_SECONDS * (0.75 + random.random() / 2)  # noqa: S311
        try:
            await self._unless_draining(self._ports.queue.wait(self._ticket_lanes, seconds))
        except BrokerUnavailable:
            await self._unless_draining(asyncio.sleep(seconds))

    async def _unless_draining(self, waiting: Any) -> None:
        drained = asyncio.ensure_future(self._draining.wait())
        wanted = asyncio.ensure_future(waiting)
        try:
            await asyncio.wait({wanted, drained}, return_when=asyncio.FIRST_COMPLETED)
            if wanted.done():
                wanted.result()
        finally:
            for future in (drained, wanted):
                future.cancel()
            await asyncio.gather(drained, wanted, return_exceptions=True)

    # Running

    def _start(self, claimed: Claimed, lease: Lease) -> None:
        running = RunningAttempt(claimed, self._served[claimed.task.lane], lease, self._attempt_ports)
        self._announcer.changed(claimed.task)
        task = asyncio.create_task(self._execute(running))
        self._running[claimed.task.id] = (running, task)
        if self._draining.is_set():
            running.ask_to_end(HandoverRequested())
        if claimed.task.cancel_requested or claimed.task.id in self._cancelled_while_claiming:
            running.ask_to_end(CancelRequested())

    async def _execute(self, running: RunningAttempt) -> None:
        task = running.attempt.task
        try:
            try:
                settled = await running.execute()
            except Exception as error:
                log.exception("attempt_crashed", task_id=str(task.id))
                settled = await running.give_up(error)
            if settled is not None:
                for changed in (settled.task, settled.released):
                    if changed is not None:
                        self._announcer.changed(changed)
        except Exception:
            log.exception("attempt_not_settled", task_id=str(task.id))
        finally:
            if self._running.get(task.id, (None,))[0] is running:
                del self._running[task.id]
            self._slot_free.set()

    # Interrupting

    async def _listen_for_cancels(self) -> None:
        async for task_id in self._ports.cancel_signals.listen():
            self._cancelled([task_id])

    def _cancelled(self, task_ids: Sequence[TaskId]) -> None:
        for task_id in task_ids:
            if task_id in self._running:
                self._running[task_id][0].interrupt(CancelRequested())
            elif self._claim_in_doubt:
                # It may be among those that the claim under way brings.
                self._cancelled_while_claiming.add(task_id)

    def _lost(self, lease: Lease) -> None:
        for running, _ in list(self._running.values()):
            if running.lease is lease:
                running.interrupt(LeaseLost())

    def _held_by(self, task: asyncio.Task[Any]) -> tuple[TaskId | None, str | None]:
        for task_id, (running, _) in list(self._running.items()):
            tool = running.attempt.tools.running.get(task)
            if tool or running.is_run_by(task):
                return task_id, tool
        return None, None

    # Ending

    async def _hand_over(self) -> None:
        """Give running attempts time to reach a journal boundary; what is left then is interrupted."""
        deadline = time.monotonic() + self._settings.drain_seconds
        if self._running or self._claim_in_doubt:
            self._heartbeat.withdraw()
        # An idle worker is not kept for long by a store that is away.
        patience = self._settings.drain_seconds if self._running else self._settings.grace_seconds
        await self._start_what_is_in_doubt(min(time.monotonic() + patience, deadline))
        if self._running:
            log.info("worker_draining", running=len(self._running), seconds=self._settings.drain_seconds)
            await asyncio.wait(
                [task for _, task in self._running.values()], timeout=max(deadline - time.monotonic(), 0)
            )
        for running, _ in self._running.values():
            running.interrupt(HandoverRequested())

    async def _start_what_is_in_doubt(self, deadline: float) -> None:
        """What the last claim took, if its answer was lost: only a worker that knows of a task can hand it over."""
        while self._claim_in_doubt and time.monotonic() < deadline:
            worker, lease = self._heartbeat.present
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    claimed = await self._ports.tasks.claimed_by(worker.id, list(self._running))
            except (StoreUnavailable, TimeoutError) as error:
                self._claims_fail.goes_on(str(error) or "no answer while it drains")
                await asyncio.sleep(min(0.3 + random.random() / 2, max(deadline - time.monotonic(), 0)))  # noqa: S311
            else:
                self._claim_in_doubt = False
                for one in claimed:
                    self._start(one, lease)

    async def _stop_running(self) -> None:
        if tasks := [task for _, task in self._running.values()]:
            _, unfinished = await asyncio.wait(tasks, timeout=5)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
