"""Reserving and accounting for money in memory."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.money_tables import ChargeRow, SliceRow, beginning_of, day_of
from roadworthy.domain.budget import Budget, ChargeSettlement, NewCharge
from roadworthy.domain.ids import TaskId
from roadworthy.domain.money import MicroDollars
from roadworthy.domain.task import TaskStatus
from roadworthy.ports.budget_ledger import Drawn, SliceReport, Want

WANTED_SECONDS = 10


class MemoryBudgetLedger:
    """A `BudgetLedger` over a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._money = database.money

    async def draw(self, holder: UUID, number: int, wants: Sequence[Want]) -> list[Drawn]:
        return await self._database.run(
            "budget_ledger.draw", lambda: [self._draw(holder, number, want) for want in wants]
        )

    async def report(self, holder: UUID, number: int, reports: Sequence[SliceReport]) -> list[Budget]:
        def report() -> list[Budget]:
            for each in reports:
                self._report(holder, number, each)
            return self._wanted_of(holder)

        return await self._database.run("budget_ledger.report", report)

    async def charge(self, charges: Sequence[NewCharge]) -> list[bool]:
        return await self._database.run("budget_ledger.charge", lambda: [self._charge(charge) for charge in charges])

    async def settle(self, settlements: Sequence[ChargeSettlement]) -> None:
        def settle() -> None:
            for settlement in settlements:
                self._money.settle_uncertain(settlement)
                self._money.settle_open(settlement, journaled=False)

        await self._database.run("budget_ledger.settle", settle)

    async def take_over(self, task_id: TaskId, attempt: int, generation: int) -> MicroDollars:
        def take_over() -> MicroDollars:
            rows = [
                row
                for row in self._money.charges.values()
                if row.new.fence.task_id == task_id and row.new.fence.attempt < attempt
            ]
            for row in rows:
                self._money.settle_open(ChargeSettlement(row.new.id, None), journaled=False)
            return sum(row.spent for row in rows if row.generation == generation and not row.journaled)

        return await self._database.run("budget_ledger.take_over", take_over)

    def _draw(self, holder: UUID, number: int, want: Want) -> Drawn:
        now = self._database.now()
        day = day_of(now)
        row = self._money.budget(want.budget, day)
        slice = self._money.slices.setdefault((holder, want.budget, day), SliceRow())
        granted = 0
        if not slice.closed and slice.number < number:
            slice.number = number
            row.limit = want.limit
            left = want.limit - row.given
            if left < want.least:
                row.wanted_until = now + WANTED_SECONDS
                if left < want.refused_below:
                    row.refused_limit = max(want.limit, row.refused_limit or 0)
            else:
                granted = max(min(want.most, max(want.least, left // 8)), 0)
                row.given += granted
                slice.amount += granted
        scope = want.budget.scope
        return Drawn(
            granted=granted,
            day=day,
            day_seconds_left=beginning_of(day) + 86_400 - now,
            seconds_left=beginning_of(scope.window_end(day)) - now,
            left=max(want.limit - row.given, 0),
            outstanding=max(row.given - row.spent, 0),
        )

    def _report(self, holder: UUID, number: int, report: SliceReport) -> None:
        day = report.day or day_of(self._database.now())
        key = holder, report.budget, day
        if key not in self._money.slices and report.amount == report.spent == 0:
            # Else a draw that arrives late would give money that its holder never hears of.
            self._money.slices[key] = SliceRow()
            self._money.budget(report.budget, day)
        row = self._money.slices.get(key)
        if row is None or row.closed or row.number >= number:
            return
        row.number = number
        self._money.set_slice(key, report.amount, report.spent)

    def _wanted_of(self, holder: UUID) -> list[Budget]:
        now = self._database.now()
        today = day_of(now)
        wanted = {key for key, row in self._money.budgets.items() if row.wanted_until > now}
        return [
            budget
            for of, budget, day in self._money.slices
            if of == holder and day == today and (budget, budget.scope.window_start(day)) in wanted
        ]

    def _charge(self, charge: NewCharge) -> bool:
        task = self._database.tasks.get(charge.fence.task_id)
        if task is None or not task.holds(charge.fence) or task.status is not TaskStatus.RUNNING:
            return False
        if charge.id not in self._money.charges:
            now = self._database.now()
            self._money.charges[charge.id] = ChargeRow(charge, charge.day or day_of(now), now)
        return True
