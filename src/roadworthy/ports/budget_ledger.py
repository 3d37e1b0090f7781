"""Where money is reserved and accounted for, by workers.

Of each budget and window the store knows how much was *given* away in slices. A worker (the holder) draws a slice,
makes charges from it without asking the budget again, reports what it has spent and gives back what it does not need.
The sum over all slices never exceeds the limit except by what calls cost more than their estimates.
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


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a holder got, in the order of its wants."""

    granted: MicroDollars
    """0, or from `least` to `most`: of what is left an eighth, or `least` where that is more."""
    day: date
    """Today in UTC by the store's clock: with its month it names the windows."""
    seconds_left: float
    """Until the budget's window ends."""
    left: MicroDollars
    """Of the budget, given to nobody."""
    outstanding: MicroDollars
    """In all slices of the budget, given but not reported as spent: it may come back."""


@dataclass(frozen=True, slots=True)
class SliceReport:
    """What happened to a holder's slice since its last report."""

    budget: Budget
    day: date
    spent: MicroDollars
    """Settled or uncertain since then; below zero after a correction of an uncertain charge."""
    returned: MicroDollars
    """Given back to the budget."""


class BudgetLedger(Protocol):
    async def draw(self, holder: UUID, wants: Sequence[Want]) -> list[Drawn]:
        """Move money from budgets into the holder's slices; at most one want a budget.

        Where `least` is not left, the budget is marked as wanted for ten seconds, so that its holders give back.
        """
        ...

    async def report(self, holder: UUID, reports: Sequence[SliceReport]) -> list[Budget]:
        """Account for what was spent and take back what is not needed; answers which budgets of the holder are wanted.

        A slice that was spent beyond its amount grows, and its budget's given money with it.
        """
        ...

    async def charge(self, charges: Sequence[NewCharge]) -> list[bool]:
        """Write charges as open; one answer each, in their order: False where the fence is old (nothing is written).

        Writing one's own charge again after a lost acknowledgement answers True.
        """
        ...

    async def settle(self, settlements: Sequence[ChargeSettlement]) -> None:
        """End charges that have no journal entry. The journal's `append` settles those that have one.

        Settling again changes nothing. A charge that was declared uncertain meanwhile takes its real cost: where the
        holder's slices were closed, the budgets get the difference back.
        """
        ...

    async def take_over(self, task_id: TaskId, attempt: int, generation: int) -> MicroDollars:
        """What this generation of the task has spent that is in none of its journal entries. Open charges of earlier
        attempts become uncertain."""
        ...
