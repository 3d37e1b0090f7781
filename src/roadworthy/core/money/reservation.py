"""Money kept for one call of a provider."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from roadworthy.core.money.priced_call import PricedCall
from roadworthy.core.money.waiting_call import Share
from roadworthy.domain.budget import ChargeSettlement, NewCharge
from roadworthy.domain.errors import BudgetUsedUp, Fenced, LimitReached
from roadworthy.domain.ids import new_id
from roadworthy.domain.money import MicroDollars

if TYPE_CHECKING:
    from roadworthy.core.attempt import Attempt
    from roadworthy.core.money.money import Money


@dataclass(frozen=True, slots=True)
class ChargeWrite:
    """How a charge comes into the ledger."""

    charge: NewCharge
    outcome: asyncio.Future[bool]

    @property
    def is_acknowledged(self) -> bool:
        return self.outcome.done() and not self.outcome.cancelled() and self.outcome.exception() is None


class Reservation:
    """Holds until `settlement`, `settle` or `uncertain` says what became of the call; the first one counts.

    The task's money is free again at once, that of the budgets when the ledger knows the price: until then it would
    take the estimate for spent if the worker were lost.
    """

    __slots__ = ("_end", "_is_forsaken", "_may_be_made", "_money", "_purse", "_share", "call", "charge_id", "write")

    def __init__(self, money: Money, attempt: Attempt, call: PricedCall) -> None:
        self._money = money
        self._purse = attempt.purse
        self._share: Share | None = None
        self._end: ChargeSettlement | None = None
        self._may_be_made = False
        self._is_forsaken = False
        self.charge_id = new_id()
        self.call = call
        """Perhaps shortened."""
        self.write: ChargeWrite | None = None
        """Once it has begun."""

    @property
    def output_tokens(self) -> int | None:
        """How much the call may write, where the money allows less than the agent does."""
        return self.call.output_tokens if self.call.short_of else None

    def cut(self) -> LimitReached:
        """What ends the task when its answer ended at that limit."""
        if self._share is not None and self._share.call.short_of:
            return BudgetUsedUp(f"the answer was cut short: {self.call.short_of} did not pay for more of it")
        return LimitReached(
            f"the answer was cut short: {self.call.short_of} did not pay for more of it; raise limits.cost_usd if the "
            "work costs more"
        )

    def settlement(self, cost: MicroDollars | None, usage: Mapping[str, int]) -> ChargeSettlement:
        """For the journal entry of the call's reply, whose commit ends the charge; without a cost at its estimate,
        uncertain."""
        if self._end is None:
            self._end = _settlement(self.charge_id, cost, usage)
            self._purse.hold(self, self._counts_as(self._end))  # until the entry counts
        return self._end

    async def settle(self, cost: MicroDollars, usage: Mapping[str, int] | None = None) -> None:
        """The call has no journal entry, and this is what it costs: nothing, where the provider certainly bills none.

        Does not wait for the store.
        """
        if self._end is None:
            self._end = _settlement(self.charge_id, cost, usage or {})
            self._spend(cost)

    def uncertain(self) -> None:
        """Nobody knows whether the provider bills the call: it counts as spent at its estimate."""
        if self._end is None:
            self._end = ChargeSettlement(self.charge_id, None)
            self._spend(self.call.worst)

    # For those who make it and clear up after it.

    def hold(self, call: PricedCall) -> None:
        """Of the task's money what this call costs at most."""
        self.call = call
        if not self._is_forsaken:
            self._purse.hold(self, call.worst)

    def shared(self, share: Share) -> None:
        """The budgets' money is there."""
        self._share = share
        self.hold(share.call)

    def made_next(self) -> None:
        """All is written: from now on the provider may get the call. Raises Fenced where the attempt is over."""
        if self._is_forsaken:
            raise Fenced
        self._may_be_made = True

    def not_made(self) -> None:
        """There was no call, and there will be none."""
        if self._end is None:
            self._end = ChargeSettlement(self.charge_id, 0)
            if self.write is not None:
                self._spend(0)
            else:
                self._purse.let_go(self.charge_id)
                self.committed()

    def forsake(self) -> None:
        """The attempt is over, and its reply has not become a journal entry."""
        if self._end is None and not self._may_be_made:
            # Who still waits for money, or for the ledger, makes no call any more, and clears up when he hears of it.
            self._is_forsaken = True
            self._purse.let_go(self.charge_id)
        elif self._end is None:
            self.uncertain()
        else:
            self._spend(self._counts_as(self._end))

    def committed(self) -> None:
        """The ledger knows what became of the call."""
        if self._share is not None and self._end is not None:
            self._share.spent(self._counts_as(self._end))
            self._share = None

    def settle_alone(self) -> None:
        """Its journal entry will not end the charge."""
        if self._end is not None:
            self._money.settle(self._end, self.write, self.committed)

    def _counts_as(self, end: ChargeSettlement) -> MicroDollars:
        return self.call.worst if end.cost is None else end.cost

    def _spend(self, cost: MicroDollars) -> None:
        self._purse.let_go(self.charge_id)
        self._purse.outside_journal += cost
        self.settle_alone()


def _settlement(charge_id: UUID, cost: MicroDollars | None, usage: Mapping[str, int]) -> ChargeSettlement:
    return ChargeSettlement(
        charge_id,
        cost,
        usage.get("input_tokens", 0),
        usage.get("output_tokens", 0),
        usage.get("cache_read_tokens", 0),
    )
