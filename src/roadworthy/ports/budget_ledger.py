"""Where money is reserved and accounted for, by workers.

Of each budget and window the store knows how much was *given* away in slices. A worker (the holder) draws a slice,
makes charges from it without asking the budget again, reports what it has spent and gives back what it does not need.
The sum over all slices never exceeds the limit except by what calls cost more than their estimates.

A slice belongs to a holder, a budget and a day in UTC: at midnight it lapses, also one of a month's budget, and a new
one is drawn. A holder that is gone has its slices closed by the store (`BudgetAccounts.settle_lost`), to what its
charges say; nothing is given to it, and nothing it says of them counts, any more.

Answers get lost, and calls arrive late. Therefore a holder says what it has in absolute amounts, each of its draws and
reports carries a higher `number` than the one before, and what a later number overtook changes nothing. One call of a
holder at a time: a draw that its own next report overtakes gets nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from uuid import UUID

from roadworthy.domain.budget import Budget, ChargeSettlement, NewCharge
from roadworthy.domain.ids import TaskId
from roadworthy.domain.money import MicroDollars


@dataclass(frozen=True, slots=True)
class Want:
    """Money that a holder asks of one budget."""

    budget: Budget
    limit: MicroDollars
    least: MicroDollars
    """Nothing is given where less than that is left."""
    most: MicroDollars
    shortest: MicroDollars | None = None
    """What the shortest call that would do needs, where that is less than `least`: only where not even that is left was
    a call refused, and the budget may count as used up."""

    @property
    def refused_below(self) -> MicroDollars:
        """How much must be left lest it counts as refused."""
        return self.least if self.shortest is None else min(self.shortest, self.least)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a holder got of one budget."""

    granted: MicroDollars
    """0, or from `least` to `most`: of what is left an eighth, or `least` where that is more."""
    day: date
    """Today in UTC by the store's clock: the slice's day."""
    day_seconds_left: float
    """Until the slice lapses."""
    seconds_left: float
    """Until the budget's window ends."""
    left: MicroDollars
    """Of the budget, given to nobody."""
    outstanding: MicroDollars
    """In all slices of the budget, the holder's own too, given but not reported as spent: it may come back."""


@dataclass(frozen=True, slots=True)
class SliceReport:
    """All that a holder knows of its slice: totals since it was first drawn, not what came since the last report."""

    budget: Budget
    day: date | None
    """None: today, by the store's clock. For one whose draw was not answered and who knows of no other."""
    amount: MicroDollars
    """What it keeps: all it drew, less what it gives back. Never more than the store gave it; less than `spent` counts
    as `spent`, and takes the difference from the budget."""
    spent: MicroDollars
    """Settled and uncertain. May fall, where an uncertain charge turned out to cost less."""


class BudgetLedger(Protocol):
    async def draw(self, holder: UUID, number: int, wants: Sequence[Want]) -> list[Drawn]:
        """Move money from budgets into the holder's slices of today; at most one want a budget, answers in their order.

        Where `least` is not left, the budget is marked as wanted for ten seconds, so that its holders give back. If
        the answer is lost, the holder reports the slice as it was before (0 of what it had none of), and what was
        granted goes back.
        """
        ...

    async def report(self, holder: UUID, number: int, reports: Sequence[SliceReport]) -> list[Budget]:
        """Account for what was spent and take back what is not needed, at most one report a budget and day; answers
        which budgets of the holder are wanted, reported or not. Repeating it changes nothing."""
        ...

    async def charge(self, charges: Sequence[NewCharge]) -> list[bool]:
        """Write charges as open; one answer each, in their order: False where the fence is old (nothing is written).

        Writing one's own charge again after a lost acknowledgement answers True.
        """
        ...

    async def settle(self, settlements: Sequence[ChargeSettlement]) -> None:
        """End charges that have no journal entry. The journal's `append` settles those that have one, whatever becomes
        of the entry; but only open ones, so that a worker whose entry was refused settles once more.

        Settling again changes nothing. A charge that was declared uncertain meanwhile takes its real cost: where the
        holder's slices were closed, the budgets get the difference back.
        """
        ...

    async def take_over(self, task_id: TaskId, attempt: int, generation: int) -> MicroDollars:
        """What earlier attempts of this generation of the task have spent that is in none of its journal entries:
        settled and uncertain. Open charges of earlier attempts become uncertain."""
        ...
