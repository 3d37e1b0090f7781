"""The API over memory, called as a server calls it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson
from spending import Spender
from task_life import Life, World

from roadworthy.adapters.memory.budget_accounts import MemoryBudgetAccounts
from roadworthy.adapters.memory.cache import MemoryCache
from roadworthy.adapters.memory.dead_letters import MemoryDeadLetters
from roadworthy.adapters.memory.decisions import MemoryDecisions
from roadworthy.adapters.memory.duty_schedule import MemoryDutySchedule
from roadworthy.adapters.memory.event_log import MemoryCancelSignals
from roadworthy.adapters.memory.grades import MemoryGrades
from roadworthy.adapters.memory.lanes import MemoryLanes
from roadworthy.adapters.memory.operator_actions import MemoryOperatorActions
from roadworthy.adapters.memory.session_store import MemorySessionStore
from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.core.announcer import Announcer
from roadworthy.core.insight.budgets import Budgets
from roadworthy.core.insight.dead_letters import DeadLetterReader
from roadworthy.core.insight.pending import PendingReader
from roadworthy.core.insight.queue_loads import QueueLoads
from roadworthy.core.insight.sessions import Sessions
from roadworthy.core.insight.tasks import Tasks
from roadworthy.core.insight.upkeep_watch import UpkeepWatch
from roadworthy.core.insight.usage import UsageReader
from roadworthy.core.intake.admit import Intake
from roadworthy.core.intake.used_up_budgets import UsedUpBudgets
from roadworthy.core.operations.clear_caches import ClearCaches
from roadworthy.core.operations.correct_charge import CorrectCharge
from roadworthy.core.operations.dead_tasks import DeadTasks
from roadworthy.core.operations.decide_call import DecideCall
from roadworthy.core.operations.move_tasks import MoveTasks
from roadworthy.core.publisher import EventPublisher
from roadworthy.core.upkeep.upkeep import NO_BUDGETS
from roadworthy.domain.budget import BudgetLimits
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.service import AgentService
from roadworthy.edges.http.application import http_app
from roadworthy.edges.http.dependencies import HttpDependencies

LEASE_SECONDS = 30


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Call:
    """One request, whose client can wait for parts of the answer and go away."""

    messages: list[dict[str, Any]]
    sent: list[dict[str, Any]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Task[None] | None = None

    async def receive(self) -> dict[str, Any]:
        if self.messages:
            return self.messages.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        self.sent.append(message)
        self.arrived.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    async def until(self, text: bytes) -> None:
        """Wait until `text` has come."""
        while text not in self.body:
            self.arrived.clear()
            await self.arrived.wait()

    async def answer(self) -> Answer:
        assert self.done is not None
        await self.done
        start = self.sent[0]
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], headers, self.body)

    async def hang_up(self) -> None:
        assert self.done is not None
        self.gone.set()
        await self.done


class Api:
    def __init__(self, *services: AgentService, limits: BudgetLimits = NO_BUDGETS, **changed: Any) -> None:
        self.world = world = World()
        self.publisher = EventPublisher(world.event_log)
        self.announcer = Announcer(MemoryWorkQueue(world.broker), self.publisher, MemoryCancelSignals(world.broker))
        services = services or (AgentService(None, name="support"),)
        self.dead = MemoryDeadLetters(world.database)
        self.decisions = MemoryDecisions(world.database)
        self.lanes = MemoryLanes(world.database)
        self.accounts = MemoryBudgetAccounts(world.database)
        self.spender = Spender(world.database, limits)
        budgets = UsedUpBudgets(self.accounts, limits, world.clock)
        self.intake = Intake(services, world.task_store, self.announcer, budgets)
        self.dependencies = HttpDependencies(
            intake=self.intake,
            tasks=Tasks(world.task_store, world.journal, world.follow),
            sessions=Sessions(MemorySessionStore(world.database)),
            follow=world.follow,
            clock=world.clock,
            dead_letters=DeadLetterReader(
                self.dead, MemoryOperatorActions(world.database), world.journal, MemorySessionStore(world.database)
            ),
            dead_tasks=DeadTasks(self.dead, world.journal, self.announcer, services),
            loads=QueueLoads(self.lanes, UpkeepWatch(MemoryDutySchedule(world.database), world.clock), world.clock),
            move_tasks=MoveTasks(self.lanes, self.announcer),
            grades=MemoryGrades(world.database),
            clear_caches=ClearCaches([MemoryCache(world.broker)], MemoryOperatorActions(world.database)),
            budgets=Budgets(self.accounts, limits),
            correct_charge=CorrectCharge(self.accounts),
            decide_call=DecideCall(world.task_store, world.journal, self.decisions, self.announcer, LEASE_SECONDS),
            pending=PendingReader(self.decisions, world.journal, LEASE_SECONDS),
            usage=UsageReader(self.accounts),
            ready_checks={"store": world.task_store.ping},
            **changed,
        )
        self.app = http_app(self.dependencies)

    def begin(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Call:
        path, _, query = path.partition("?")
        data = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        given = {name.lower(): value for name, value in (headers or {}).items()}
        named = {"host": "127.0.0.1:8080", **given}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "scheme": "http",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items()],
        }
        call = Call([{"type": "http.request", "body": data, "more_body": False}])
        call.done = asyncio.create_task(self.app(scope, call.receive, call.send))
        return call

    async def call(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        return await self.begin(method, path, body, headers).answer()

    async def submitted(self, **body: Any) -> dict[str, Any]:
        answer = await self.call("POST", "/v1/tasks", {"input": "hello", **body})
        assert answer.status == 202, answer.body
        return answer.json()

    async def life(self) -> Life:
        """A task that was submitted over HTTP, ready to be lived by a worker."""
        receipt = await self.submitted()
        await self.told()
        row = next(row for row in self.world.database.tasks.values() if str(row.id) == receipt["id"])
        return Life(self.world, await self.world.task_store.find(DEVELOPER, row.id))

    async def told(self) -> None:
        await self.announcer.close()
        await self.publisher.close()

    async def close(self) -> None:
        await self.intake.close()
        await self.publisher.close()
        await self.world.settle()
