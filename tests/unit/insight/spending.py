"""A worker that spends money out of budgets, in memory."""

from __future__ import annotations

from datetime import date
from itertools import count
from uuid import UUID

from roadworthy.adapters.memory.budget_ledger import MemoryBudgetLedger
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.domain.budget import BudgetLimits, ChargeSettlement, NewCharge
from roadworthy.domain.ids import new_id
from roadworthy.domain.money import MicroDollars, micro_dollars
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Claimed
from roadworthy.ports.budget_ledger import SliceReport, Want


class Spender:
    def __init__(self, database: MemoryDatabase, limits: BudgetLimits) -> None:
        self.ledger = MemoryBudgetLedger(database)
        self.limits = limits
        self._number = count(1)
        self._holder = new_id()

    async def spend(self, principal: Principal, usd: str, *, under_way: str = "0") -> None:
        """Out of every budget that covers the principal; some more is reserved."""
        self._holder = new_id()
        amount = micro_dollars(usd) + micro_dollars(under_way)
        for budget, limit in self.limits.covering(principal):
            (drawn,) = await self.ledger.draw(self._holder, next(self._number), [Want(budget, limit, amount, amount)])
            assert drawn.granted == amount
        await self._report(principal, amount, micro_dollars(usd))

    async def reserve(self, principal: Principal, usd: str, holder: UUID) -> None:
        """For calls of a worker."""
        amount = micro_dollars(usd)
        wants = [Want(budget, limit, amount, amount) for budget, limit in self.limits.covering(principal)]
        assert {drawn.granted for drawn in await self.ledger.draw(holder, next(self._number), wants)} == {amount}

    async def take_back(self, principal: Principal) -> None:
        """What was spent last turned out to cost nothing."""
        await self._report(principal, 0, 0)

    async def refused(self, principal: Principal, usd: str) -> None:
        """Asked for more than is left."""
        for budget, limit in self.limits.covering(principal):
            amount = micro_dollars(usd)
            (drawn,) = await self.ledger.draw(new_id(), next(self._number), [Want(budget, limit, amount, amount)])
            assert not drawn.granted

    async def _report(self, principal: Principal, amount: MicroDollars, spent: MicroDollars) -> None:
        reports = [SliceReport(budget, None, amount, spent) for budget, _ in self.limits.covering(principal)]
        await self.ledger.report(self._holder, next(self._number), reports)

    async def charge(
        self,
        claimed: Claimed,
        estimate: str,
        cost: str | None = None,
        *,
        model: str = "gpt-test",
        input_tokens: int = 0,
        under_way: bool = False,
        holder: UUID | None = None,
        day: date | None = None,
    ) -> UUID:
        """A call of a task, which cost so much; None: nobody knows."""
        task, id_ = claimed.task, new_id()
        (written,) = await self.ledger.charge(
            [
                NewCharge(
                    id=id_,
                    fence=claimed.fence,
                    key="m1",
                    principal=task.principal,
                    agent=task.agent,
                    version=task.version,
                    model=model,
                    estimate=micro_dollars(estimate),
                    holder=holder or new_id(),
                    day=day,
                )
            ]
        )
        assert written
        if not under_way:
            await self.ledger.settle([ChargeSettlement(id_, _amount(cost), input_tokens, input_tokens // 10)])
        return id_


def _amount(usd: str | None) -> MicroDollars | None:
    return None if usd is None else micro_dollars(usd)
