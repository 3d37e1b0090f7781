"""Budgets, charges and a worker that spends, for the contracts of ledger and accounts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from itertools import count
from typing import Any
from uuid import UUID

from roadworthy.domain.budget import Budget, BudgetLimits, BudgetScope, ChargeSettlement, NewCharge
from roadworthy.domain.journal import EntryWrite
from roadworthy.domain.money import MicroDollars
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Claimed
from roadworthy.ports.budget_accounts import Charge, Standing
from roadworthy.ports.budget_ledger import Drawn, SliceReport, Want
from roadworthy.testing.conformance.scenario import ALICE, entry, register, rising_id, run_one
from roadworthy.testing.conformance.stores import Stores

OPERATOR = Principal("operations", "olga", frozenset({"operator"}))
LIMIT = 8000
ALICES = Budget(BudgetScope.USER_DAY, "acme", "alice")
ACMES = Budget(BudgetScope.TENANT_MONTH, "acme")
EVERYBODYS = Budget(BudgetScope.GLOBAL_MONTH)
ONLY_USERS = BudgetLimits(user_day=LIMIT)
ALL = BudgetLimits(LIMIT, LIMIT, LIMIT)


@dataclass(slots=True)
class Holder:
    """A worker that says everything of one budget in order, as it must."""

    stores: Stores
    id: UUID
    budget: Budget = ALICES
    numbers: count[int] = field(default_factory=count)
    amount: MicroDollars = 0
    spent: MicroDollars = 0
    day: date | None = None

    async def draw(self, least: MicroDollars, most: MicroDollars | None = None, limit: MicroDollars = LIMIT) -> Drawn:
        want = Want(self.budget, limit, least, least if most is None else most)
        (drawn,) = await self.stores.ledger.draw(self.id, next(self.numbers), [want])
        if drawn.granted or self.day is None:
            self.day = drawn.day
        self.amount += drawn.granted
        return drawn

    async def report(self) -> list[Budget]:
        report = SliceReport(self.budget, self.day, self.amount, self.spent)
        wanted = await self.stores.ledger.report(self.id, next(self.numbers), [report])
        self.amount = max(self.amount, self.spent)
        return wanted

    async def give_back(self) -> list[Budget]:
        self.amount = self.spent
        return await self.report()

    def charge(self, claimed: Claimed, estimate: MicroDollars = 100, **others: Any) -> NewCharge:
        """One that was taken from this holder's slice."""
        return new_charge(claimed, estimate, **({"holder": self.id, "day": self.day} | others))


async def holder(stores: Stores, budget: Budget = ALICES) -> Holder:
    return Holder(stores, await register(stores), budget)


async def spender(stores: Stores, principal: Principal = ALICE, **others: Any) -> tuple[Holder, Claimed]:
    """A worker, and a task that it runs."""
    worker = await holder(stores, Budget(BudgetScope.USER_DAY, principal.tenant, principal.user))
    return worker, await run_one(stores, principal, worker_id=worker.id, **others)


def new_charge(claimed: Claimed, estimate: MicroDollars = 100, **others: Any) -> NewCharge:
    fields: dict[str, Any] = {
        "id": rising_id(),
        "key": "m1",
        "model": "a-model",
        "holder": rising_id(),
        "principal": claimed.task.principal,
        "agent": claimed.task.agent,
        "version": claimed.task.version,
    }
    return NewCharge(fence=claimed.fence, estimate=estimate, **(fields | others))


async def charge_one(stores: Stores, charge: NewCharge) -> NewCharge:
    """Write it; it must be allowed."""
    assert await stores.ledger.charge([charge]) == [True]
    return charge


def settled(charge: NewCharge, cost: MicroDollars | None, **tokens: int) -> ChargeSettlement:
    return ChargeSettlement(charge.id, cost, **tokens)


def entry_with(claimed: Claimed, key: str, settlement: ChargeSettlement, detail: bytes = b"{}") -> EntryWrite:
    return replace(entry(claimed, key, detail), charge=settlement)


async def line(stores: Stores, charge: NewCharge) -> Charge:
    """The charge as it stands in the ledger."""
    lines = await stores.accounts.charges(task_id=charge.fence.task_id, most=500)
    (found,) = [each for each in lines if each.id == charge.id]
    return found


async def standing(stores: Stores, budget: Budget = ALICES, limits: BudgetLimits = ALL) -> Standing:
    (found,) = [each for each in await stores.accounts.standings(limits) if each.budget == budget]
    return found


async def given_and_spent(stores: Stores, budget: Budget = ALICES) -> tuple[MicroDollars, MicroDollars]:
    found = await standing(stores, budget)
    return found.spent + found.reserved, found.spent
