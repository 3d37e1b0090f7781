"""Reserving and accounting for money in PostgreSQL, by its clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID

from roadworthy.adapters.postgres import rows
from roadworthy.adapters.postgres.failures import translated
from roadworthy.adapters.postgres.pool import Pool
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.adapters.postgres.uncertain_charges import UncertainCharges, settlement_values
from roadworthy.domain.budget import Budget, BudgetScope, ChargeSettlement, NewCharge
from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import generation_of
from roadworthy.domain.money import MicroDollars
from roadworthy.ports.budget_ledger import Drawn, SliceReport, Want

WANTED_SECONDS: Final = 10.0


class PostgresBudgetLedger:
    """A `BudgetLedger`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("budget_ledger")
        self._uncertain = UncertainCharges()

    @translated
    async def draw(self, holder: UUID, number: int, wants: Sequence[Want]) -> list[Drawn]:
        drawn = await self._drawn(holder, number, wants)
        if unknown := [want for want, row in zip(wants, drawn, strict=True) if not row[-1]]:
            await self._open(holder, [(want.budget, None) for want in unknown])
            late = iter(await self._drawn(holder, number, unknown))
            drawn = [row if row[-1] else next(late) for row in drawn]
        return [Drawn(*row[:-1]) for row in drawn]

    async def _drawn(self, holder: UUID, number: int, wants: Sequence[Want]) -> Sequence[rows.Row]:
        """Fields of Drawn, and whether the holder has such a slice: who has none gets nothing."""
        return await self._pool.fetch(
            self._queries["draw"],
            holder,
            number,
            *_names([want.budget for want in wants]),
            [want.limit for want in wants],
            [want.least for want in wants],
            [want.most for want in wants],
            WANTED_SECONDS,
            [want.refused_below for want in wants],
        )

    async def _open(self, holder: UUID, slices: Sequence[tuple[Budget, date | None]]) -> None:
        budgets = [budget for budget, _ in slices]
        await self._pool.fetch(self._queries["open_slices"], holder, *_names(budgets), [day for _, day in slices])

    @translated
    async def report(self, holder: UUID, number: int, reports: Sequence[SliceReport]) -> list[Budget]:
        if empty := [(report.budget, report.day) for report in reports if report.amount == report.spent == 0]:
            # Lest a draw that arrives late gives money that its holder never hears of.
            await self._open(holder, empty)
        wanted = await self._pool.fetch(
            self._queries["report"],
            holder,
            number,
            *_names([report.budget for report in reports]),
            [report.day for report in reports],
            [report.amount for report in reports],
            [report.spent for report in reports],
        )
        return [Budget(BudgetScope(row[0]), row[1], row[2]) for row in wanted]

    @translated
    async def charge(self, charges: Sequence[NewCharge]) -> list[bool]:
        written = await self._pool.fetch(
            self._queries["charge"],
            [charge.id for charge in charges],
            [charge.fence.task_id for charge in charges],
            [charge.fence.attempt for charge in charges],
            [charge.fence.claim_token for charge in charges],
            [rows.storable(charge.key) for charge in charges],
            [generation_of(charge.key) for charge in charges],
            [charge.principal.tenant for charge in charges],
            [charge.principal.user for charge in charges],
            [charge.agent for charge in charges],
            [charge.version for charge in charges],
            [rows.storable(charge.model) for charge in charges],
            [charge.holder for charge in charges],
            [charge.day for charge in charges],
            [charge.estimate for charge in charges],
        )
        allowed = {row[0] for row in written}
        return [charge.id in allowed for charge in charges]

    @translated
    async def settle(self, settlements: Sequence[ChargeSettlement]) -> None:
        if not settlements:
            return
        settlements = [each.keepable for each in settlements]
        settled = await self._pool.fetch(self._queries["settle"], *settlement_values(settlements))
        were_open = {row[0] for row in settled}
        others = [each for each in settlements if each.charge_id not in were_open and each.cost is not None]
        if others:
            async with self._pool.transaction() as transaction:
                await self._uncertain.settle(transaction, others, holder_knows=True)

    @translated
    async def take_over(self, task_id: TaskId, attempt: int, generation: int) -> MicroDollars:
        await self._pool.fetch(self._queries["end_earlier"], task_id, attempt)
        # A statement of its own: it sees what the one before waited for.
        (row,) = await self._pool.fetch(self._queries["take_over"], task_id, attempt, generation)
        return row[0]


def _names(budgets: Sequence[Budget]) -> tuple[object, ...]:
    return (
        [budget.scope.value for budget in budgets],
        [budget.tenant for budget in budgets],
        [budget.user for budget in budgets],
    )
