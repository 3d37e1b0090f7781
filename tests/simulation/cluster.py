"""Workers, upkeep processes and APIs, as a deployment starts and restarts them: the product's own code in each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from random import Random
from typing import Any

from roadworthy import AgentService
from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.budget_accounts import MemoryBudgetAccounts
from roadworthy.adapters.memory.budget_ledger import MemoryBudgetLedger
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.dead_letters import MemoryDeadLetters
from roadworthy.adapters.memory.decisions import MemoryDecisions
from roadworthy.adapters.memory.duty_schedule import MemoryDutySchedule
from roadworthy.adapters.memory.event_log import MemoryCancelSignals
from roadworthy.adapters.memory.lanes import MemoryLanes
from roadworthy.adapters.memory.session_store import MemorySessionStore
from roadworthy.adapters.memory.task_upkeep import MemoryTaskUpkeep
from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.app.clock import SystemClock
from roadworthy.core.announcer import Announcer
from roadworthy.core.execution.run_attempt import Served
from roadworthy.core.execution.worker import Worker, WorkerPorts, WorkerSettings
from roadworthy.core.insight.follow_task import FollowTask
from roadworthy.core.insight.followers import Followers
from roadworthy.core.intake.admit import Intake
from roadworthy.core.operations.dead_tasks import DeadTasks
from roadworthy.core.operations.decide_call import DecideCall
from roadworthy.core.publisher import EventPublisher
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.core.upkeep.duty import UpkeepPorts
from roadworthy.core.upkeep.upkeep import Upkeep, all_duties
from roadworthy.domain.event import Event
from roadworthy.domain.ids import TaskId
from roadworthy.domain.principal import Principal
from roadworthy.frameworks import runner_for
from roadworthy.ports.worker_registry import WorkerRegistry
from roadworthy.testing.virtual_time import SimulatedProcess, VirtualTimeLoop

from .agents import service
from .checker import Checker
from .outside import Outside
from .plan import Plan
from .servers import SimulatedServer
from .trace import Trace
from .twins import WatchedEventLog, WatchedJournal, WatchedRegistry, WatchedTaskStore

DRAIN_SECONDS = 5.0


class Disconnected(Exception):
    """The server of a request has gone, or is silent for too long."""


class _NoWatchdog:
    """Nobody blocks the loop in virtual time; a thread of its own would have a time of its own."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Node:
    """A place where a process runs, and is started again when it has ended."""

    kind = ""

    def __init__(self, cluster: Cluster, number: int) -> None:
        self.cluster = cluster
        self.number = number
        self.starts = 0
        self.process = SimulatedProcess("nothing")
        self.process.killed = True

    @property
    def alive(self) -> bool:
        return not self.process.killed

    @property
    def processes(self) -> Sequence[SimulatedProcess]:
        return (self.process,)

    def start(self) -> None:
        self.starts += 1
        cluster = self.cluster
        skew = (cluster.chance.random() * 2 - 1) * cluster.plan.clock_skew
        self.process = SimulatedProcess(f"{self.kind} {self.number}.{self.starts}", skew)
        cluster.trace.add("starts", self.process)
        cluster.loop.start(self.process, self._live(self.process))

    def kill(self) -> None:
        for process in self.processes:
            self.cluster.loop.kill_process(process)

    def stop(self) -> None:
        for process in self.processes:
            self.cluster.loop.stop_process(process)

    def go_on(self) -> None:
        for process in self.processes:
            self.cluster.loop.continue_process(process)

    async def main(self) -> None:
        raise NotImplementedError

    async def _live(self, process: SimulatedProcess) -> None:
        """What is left when the process has ended vanishes with it."""
        await self.main()
        self.cluster.trace.add("has ended")
        for each in self.processes if self.process is process else (process,):
            self.cluster.loop.kill_process(each)


class WorkerNode(Node):
    kind = "worker"

    def __init__(self, cluster: Cluster, number: int) -> None:
        super().__init__(cluster, number)
        self.worker: Worker | None = None
        self.heartbeat = SimulatedProcess("nothing")

    @property
    def processes(self) -> Sequence[SimulatedProcess]:
        return (self.process, self.heartbeat)

    def start(self) -> None:
        super().start()
        self.heartbeat = SimulatedProcess(f"{self.process.name}♥", self.process.clock_skew)

    def drain(self) -> None:
        if self.worker is not None:
            self.cluster.loop.call_soon(self.worker.drain, context=self.process.context())

    def block(self) -> None:
        """As a tool does that never awaits: the heartbeat has a thread of its own and goes on."""
        self.cluster.loop.stop_process(self.process)

    async def main(self) -> None:
        cluster, plan, process = self.cluster, self.cluster.plan, self.process

        @asynccontextmanager
        async def registry() -> AsyncGenerator[WorkerRegistry]:
            yield WatchedRegistry(cluster.database, cluster.checker, process)

        def beside(beats: Coroutine[Any, Any, None]) -> Callable[[], Awaitable[object]]:
            thread = cluster.loop.start(self.heartbeat, beats)
            return lambda: asyncio.wait([thread])

        ports = WorkerPorts(
            cluster.tasks,
            cluster.journal,
            MemorySessionStore(cluster.database),
            MemoryWorkQueue(cluster.broker),
            WatchedEventLog(cluster.broker, cluster.checker),
            MemoryCancelSignals(cluster.broker),
            registry,
            beside,
            MemoryBudgetLedger(cluster.database),
            cluster.decisions,
        )
        settings = WorkerSettings(
            plan.concurrency, plan.lease_seconds, DRAIN_SECONDS, plan.max_retries, budgets=plan.budgets
        )
        served = {each.lane: Served(each, runner_for(each)) for each in cluster.services}
        self.worker = Worker(ports, served, settings, tool_gateway=ToolGateway(lease_seconds=plan.lease_seconds))
        self.worker.watchdog = _NoWatchdog()  # type: ignore[assignment]
        await self.worker.run()


class UpkeepNode(Node):
    kind = "upkeep"

    async def main(self) -> None:
        cluster, plan = self.cluster, self.cluster.plan
        duties = all_duties(plan.lease_seconds, plan.max_retries)
        ports = UpkeepPorts(
            MemoryTaskUpkeep(cluster.database),
            cluster.announcer()[1],
            MemoryLanes(cluster.database),
            MemoryBudgetAccounts(cluster.database),
        )
        Upkeep(duties, MemoryDutySchedule(cluster.database), ports, pause_seconds=plan.lease_seconds).start()
        await asyncio.Event().wait()


class ApiNode(Node):
    kind = "api"

    def __init__(self, cluster: Cluster, number: int) -> None:
        super().__init__(cluster, number)
        self.intake: Intake | None = None
        self.dead_tasks: DeadTasks | None = None
        self.decide_call: DecideCall | None = None
        self._follow: FollowTask | None = None
        self._ending = asyncio.Event()

    @property
    def answers(self) -> bool:
        return self.alive and self.intake is not None

    async def main(self) -> None:
        cluster = self.cluster
        self._ending = asyncio.Event()
        publisher, announcer = cluster.announcer()
        intake = Intake(cluster.services, cluster.tasks, announcer)
        followers = Followers(cluster.tasks, SystemClock())
        log = WatchedEventLog(cluster.broker, cluster.checker)
        self._follow = FollowTask(cluster.tasks, cluster.journal, log, followers, SystemClock())
        self.dead_tasks = DeadTasks(MemoryDeadLetters(cluster.database), cluster.journal, announcer, cluster.services)
        self.decide_call = DecideCall(
            cluster.tasks, cluster.journal, cluster.decisions, announcer, cluster.plan.lease_seconds
        )
        self.intake = intake
        self.process.when_killed.append(self._forget)
        await self._ending.wait()
        self.intake = None
        followers.dismiss()
        await asyncio.sleep(1)
        await intake.close()
        await announcer.close()
        await publisher.close()

    def end(self) -> None:
        """As SIGTERM does: streams end, what was taken in is committed."""
        self.cluster.loop.call_soon(self._ending.set, context=self.process.context())

    def _forget(self) -> None:
        self.intake = None

    # What clients ask of it; called by them, run here.

    async def request(self, ask: Callable[[Intake], Awaitable[Any]]) -> Any:
        """Disconnected when the process dies or is silent for ten seconds."""
        loop, intake = self.cluster.loop, self.intake
        if intake is None:
            raise Disconnected
        answer: asyncio.Future[Any] = loop.create_future()

        async def serve() -> None:
            try:
                outcome = await ask(intake)
            except Exception as error:
                _answer(answer, error)
            else:
                _answer(answer, outcome)

        self.process.when_killed.append(lambda: _answer(answer, Disconnected()))
        loop.start(self.process, serve())
        try:
            async with asyncio.timeout(10):
                return await answer
        except TimeoutError:
            raise Disconnected from None

    def stream(self, principal: Principal, task_id: TaskId, after: int) -> Connection:
        follow, connection = self._follow, Connection(self.cluster)
        if follow is None or not self.answers:
            connection.close(Disconnected())
            return connection

        async def serve() -> None:
            try:
                async with aclosing(follow(principal, task_id, after)) as stream:
                    async for events in stream:
                        connection.send(events)
            except Exception as error:
                connection.close(error)
            else:
                connection.close(None)

        serving = self.cluster.loop.start(self.process, serve())
        connection.hang_up = serving.cancel
        self.process.when_killed.append(lambda: connection.close(Disconnected()))
        return connection


class Connection:
    """The events of one stream on their way to a client."""

    def __init__(self, cluster: Cluster) -> None:
        self._loop = cluster.loop
        self._arrived: asyncio.Queue[list[Event] | Exception | None] = asyncio.Queue()
        self.hang_up: Callable[[], object] = lambda: None

    def send(self, events: list[Event]) -> None:
        self._loop.call_later(0.002, self._arrived.put_nowait, events)

    def close(self, error: Exception | None) -> None:
        self._loop.call_later(0.002, self._arrived.put_nowait, error, context=SimulatedProcess("network").context())

    async def next(self) -> list[Event] | None:
        """None at the end of the stream."""
        arrived = await self._arrived.get()
        if isinstance(arrived, Exception):
            raise arrived
        return arrived


def _answer(future: asyncio.Future[Any], outcome: Any) -> None:
    if not future.done():
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


class Cluster:
    """Everything that is simulated."""

    def __init__(self, plan: Plan, loop: VirtualTimeLoop, chance: Random, trace: Trace) -> None:
        self.plan, self.loop, self.chance, self.trace = plan, loop, chance, trace
        self.store = SimulatedServer("store", loop, chance, trace)
        self.broker_server = SimulatedServer("broker", loop, chance, trace)
        self.database = MemoryDatabase(SystemClock(), self.store)
        self.broker = MemoryBroker(SystemClock(), self.broker_server)
        self.checker = Checker(plan, loop, trace, self.database)
        self.checker.store = self.store
        self.store.applied = self.checker.applied
        self.decisions = MemoryDecisions(self.database)
        self.tasks = WatchedTaskStore(self.database, self.checker)
        self.journal = WatchedJournal(self.database, self.checker)
        self.outside = Outside(chance, trace, self.checker)
        self.checker.effects.happened = self.outside.effects.__getitem__
        self.services: list[AgentService] = [service(self.outside, "1", plan.pydantic_ai)]
        self.workers = [WorkerNode(self, number) for number in range(1, plan.workers + 1)]
        self.upkeeps = [UpkeepNode(self, number) for number in range(1, plan.upkeeps + 1)]
        self.apis = [ApiNode(self, number) for number in range(1, plan.apis + 1)]

    @property
    def nodes(self) -> list[Node]:
        return [*self.workers, *self.upkeeps, *self.apis]

    def start(self) -> None:
        for node in self.nodes:
            node.start()

    def release_version_2(self) -> None:
        """What is started from now on also serves the new version, and new tasks are for that one."""
        self.services = [*self.services[:1], service(self.outside, "2", self.plan.pydantic_ai)]

    def announcer(self) -> tuple[EventPublisher, Announcer]:
        publisher = EventPublisher(WatchedEventLog(self.broker, self.checker))
        return publisher, Announcer(MemoryWorkQueue(self.broker), publisher, MemoryCancelSignals(self.broker))
