"""Workers' money over one ledger in memory, in virtual time. A token of output costs a thousandth of a dollar."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from roadworthy import AgentService, Limits, Price
from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.budget_ledger import MemoryBudgetLedger
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.event_log import MemoryEventLog
from roadworthy.adapters.memory.faults import unavailable
from roadworthy.adapters.memory.journal import MemoryJournal
from roadworthy.adapters.memory.task_store import MemoryTaskStore
from roadworthy.adapters.memory.worker_registry import MemoryWorkerRegistry
from roadworthy.app.clock import SystemClock
from roadworthy.core.attempt import Attempt, Draft
from roadworthy.core.committed_together import CommittedTogether
from roadworthy.core.execution.abandoned import Abandoned
from roadworthy.core.model_gateway.prices import Prices
from roadworthy.core.money.money import Money
from roadworthy.core.money.reservation import Reservation
from roadworthy.core.publisher import EventPublisher
from roadworthy.domain.budget import Budget, BudgetLimits, BudgetScope, ChargeState
from roadworthy.domain.ids import new_id
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.lease import Lease
from roadworthy.domain.model_input import ModelInput
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import NewTask, Settlement, TaskStatus
from roadworthy.ports import worker_registry as registry
from roadworthy.ports.task_store import Submitted
from roadworthy.testing.virtual_time import VirtualTimeLoop, virtual_time
from roadworthy.testing.virtual_time.process import NOBODY

T = TypeVar("T")

DOLLAR = 1_000_000
TOKEN = 1000
"""Micro-dollars."""
PRICES = Prices({"m": Price(input="0", output="1000")})
SERVICE = AgentService(lambda: None, name="support", version="1")
ANN, BOB, CAROL = (Principal("acme", user) for user in ("ann", "bob", "carol"))
ANNS_DAY = Budget(BudgetScope.USER_DAY, "acme", "ann")


def virtually(main: Callable[[], Coroutine[Any, Any, T]], seed: int = 0) -> T:
    """What `main` comes to; nothing may fail beside it."""
    chance = Random(seed)

    async def to_its_end() -> T:
        result = await main()
        await asyncio.sleep(60)  # what goes on by itself comes to its end, too
        return result

    NOBODY.ready.clear()  # what a test left behind that failed
    loop = VirtualTimeLoop(chance)
    broken: list[dict[str, Any]] = []
    loop.when_broken = broken.append
    with virtual_time(loop, chance):
        result = loop.run(to_its_end())
    assert not broken
    return result


async def until(condition: Callable[[], bool], seconds: float = 0.0005) -> None:
    """Looks so often."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(seconds)


class SlowStore:
    """Each call takes five milliseconds there and back; some calls fail as they are told to."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.fails: dict[str, str] = {}
        """Operation → `never` or `lost`, once."""
        self.away = False

    async def around(self, operation: str, apply: Callable[[], T]) -> T:
        self.calls[operation] += 1
        fails = "never" if self.away else self.fails.pop(operation, None)
        await asyncio.sleep(0.0025)
        if fails == "never":
            raise unavailable(operation)
        result = apply()
        await asyncio.sleep(0.0025)
        if fails == "lost":
            raise unavailable(operation)
        return result


class Bank:
    """The store, and what is asked of it."""

    def __init__(self, **limits: int) -> None:
        self.store = SlowStore()
        self.database = MemoryDatabase(SystemClock(), self.store)
        self.ledger = MemoryBudgetLedger(self.database)
        self.limits = BudgetLimits(**limits)
        self._append = CommittedTogether(MemoryJournal(self.database).append)
        self._tasks = MemoryTaskStore(self.database)
        self._publisher = EventPublisher(MemoryEventLog(MemoryBroker(SystemClock())))

    async def worker(self) -> Worker:
        worker = Worker(self)
        registered = registry.Worker(worker.id, {SERVICE.lane: "code"}, "host", 1)
        await MemoryWorkerRegistry(self.database).register(registered, 1e9)
        return worker

    async def attempt(self, worker: Worker, who: Principal = ANN, limits: Limits | None = None) -> Attempt:
        """Of a new task that this worker claimed."""
        task = NewTask(new_id(), who, new_id(), True, "support", "1", "hi", limits or Limits(cost_usd="100"))
        (outcome,) = await self._tasks.submit([task])
        assert isinstance(outcome, Submitted)
        return await self.next_attempt(worker)

    async def handed_over(self, attempt: Attempt, worker: Worker) -> Attempt:
        """The next attempt of its task, by this worker."""
        task = attempt.task
        await self._tasks.settle([Settlement(attempt.claimed.fence, task.session_id, TaskStatus.QUEUED, "handed over")])
        return await self.next_attempt(worker)

    async def next_attempt(self, worker: Worker) -> Attempt:
        """Of whichever task waits."""
        (claimed,) = await self._tasks.claim(worker.id, [SERVICE.lane], 1)
        lease = Lease(30)
        lease.renewed(time.monotonic() + 1e6)
        return Attempt(claimed, SERVICE, lease, self._append, self._publisher, Abandoned())

    async def close(self) -> None:
        await self._append.close()
        await self._publisher.close()

    @property
    def given(self) -> int:
        return sum(row.given for row in self.database.money.budgets.values())

    @property
    def spent(self) -> int:
        return sum(row.spent for row in self.database.money.budgets.values())

    @property
    def states(self) -> Counter[ChargeState]:
        return Counter(charge.state for charge in self.database.money.charges.values())

    def slices(self, worker: Worker) -> int:
        """What the store believes the worker to hold."""
        return sum(
            row.amount - row.spent for (holder, _, _), row in self.database.money.slices.items() if holder == worker.id
        )


class Worker:
    def __init__(self, bank: Bank) -> None:
        self.id: UUID = new_id()
        self.bank = bank
        self.money = Money(bank.ledger, bank.limits, lambda: self.id)

    async def reserve(self, attempt: Attempt, tokens: int | None = 100, key: str = "m1") -> Reservation:
        return await self.money.reserve(attempt, PRICES, "m", model_input(tokens), key)

    async def call(self, attempt: Attempt, tokens: int = 100, *, written: int = 10, seconds: float = 1) -> Reservation:
        """One call of a provider from its reservation to its journal entry."""
        attempt.model_calls += 1
        key = f"m{attempt.model_calls}"
        reservation = await self.reserve(attempt, tokens, key)
        await asyncio.sleep(seconds)
        cost = min(written, reservation.output_tokens or written) * TOKEN
        charge = reservation.settlement(cost, {"output_tokens": written})
        await attempt.record(Draft(key, EntryKind.MODEL, b"", {"cost": cost}, charge))
        return reservation


def model_input(tokens: int | None) -> ModelInput:
    return ModelInput("m", 10, tokens, "", lambda: b"")
