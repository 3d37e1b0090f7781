"""Money kept for one call of a provider."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.core.money.priced_call import PricedCall
from roadworthy.core.money.waiting_call import Share
from roadworthy.domain.budget import ChargeSettlement, NewCharge
from roadworthy.domain.errors import BudgetUsedUp, LimitReached
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
    """Holds until `settlement`, `settle` or `uncertain` says what became of the call; the first one counts."""

    __slots__ = ("_cost", "_money", "_purse", "_share", "call", "charge_id", "write")

    def __init__(self, money: Money, attempt: Attempt, call: PricedCall) -> None:
        self._money = money
        self._purse = attempt.purse
        self._share: Share | None = None
        self._cost: MicroDollars | None = None
        """Once it is known, or counts as known."""
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

    def settlement(self, cost: MicroDollars, usage: Mapping[str, int]) -> ChargeSettlement:
        """For the journal entry of the call's reply, whose commit ends the charge."""
        if self._ends_at(cost):
            self._purse.hold(self, cost)  # until the entry counts
        return _settlement(self, cost, usage)

    async def settle(self, cost: MicroDollars, usage: Mapping[str, int] | None = None) -> None:
        """The call has no journal entry, and this is what it costs: nothing, where the provider certainly bills none.

        Does not wait for the store.
        """
        if self._ends_at(cost):
            self._spend(_settlement(self, cost, usage or {}))

    def uncertain(self) -> None:
        """Nobody knows whether the provider bills the call: it counts as spent at its estimate."""
        if self._ends_at(self.call.worst):
            self._spend(ChargeSettlement(self.charge_id, None))

    # For those who make it and clear up after it.

    def hold(self, call: PricedCall) -> None:
        """Of the task's money what this call costs at most."""
        self.call = call
        self._purse.hold(self, call.worst)

    def shared(self, share: Share) -> None:
        """The budgets' money is there."""
        self._share = share
        self.hold(share.call)

    def not_made(self) -> None:
        """There was no call, and there will be none."""
        if self._ends_at(0):
            self._spend(ChargeSettlement(self.charge_id, 0) if self.write is not None else None)

    def forsake(self) -> None:
        """The attempt is over."""
        if self._cost is None:
            self.uncertain()
        else:
            # Its reply never became a journal entry.
            self._spend(ChargeSettlement(self.charge_id, self._cost))

    def _ends_at(self, cost: MicroDollars) -> bool:
        if self._cost is not None:
            return False
        self._cost = cost
        if self._share is not None:
            self._share.spent(cost)
        return True

    def _spend(self, settlement: ChargeSettlement | None) -> None:
        self._purse.let_go(self.charge_id)
        self._purse.outside_journal += self._cost or 0
        if settlement is not None:
            self._money.settle(settlement, self.write)


def _settlement(reservation: Reservation, cost: MicroDollars, usage: Mapping[str, int]) -> ChargeSettlement:
    return ChargeSettlement(
        reservation.charge_id,
        cost,
        usage.get("input_tokens", 0),
        usage.get("output_tokens", 0),
        usage.get("cache_read_tokens", 0),
    )
