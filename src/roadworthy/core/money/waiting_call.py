"""Who waits for a budget's money, and what is to be done about it. No I/O."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from roadworthy.core.money.priced_call import PricedCall
from roadworthy.core.money.slice import Slice
from roadworthy.domain.budget import Budget, used_up
from roadworthy.domain.errors import BudgetUsedUp, RoadworthyError
from roadworthy.domain.money import MicroDollars, dollars
from roadworthy.domain.principal import Principal

Covering = Sequence[tuple[Budget, MicroDollars]]
"""The budgets above a task, and their limits."""

LAST_TRIES_SECONDS = 5.0
"""For so long after its patience is over a call tries to get what others leave."""


@dataclass(frozen=True, slots=True)
class Share:
    """Of the budgets that cover a call what it costs at most, taken from a worker's slices."""

    call: PricedCall
    """Perhaps shortened."""
    holder: UUID
    day: date | None
    """Of the slices."""
    slices: Sequence[Slice]
    when_spent: Callable[[Sequence[Slice]], None]

    def spent(self, cost: MicroDollars) -> None:
        """Its price is known, or its fate is not, and then it costs its estimate. Once."""
        for one in self.slices:
            one.settle(self.call.worst, cost)
        self.when_spent(self.slices)


@dataclass(frozen=True, slots=True)
class Serve:
    """There is enough in the worker's slices."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The store may have enough."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Money may come back; until then, on the monotonic clock, there is no need to ask."""

    until: float


@dataclass(slots=True, eq=False)
class WaitingCall:
    """One that found too little in the worker's slices."""

    whose: Principal
    covering: Covering
    whole: PricedCall
    give_up: float
    """On the monotonic clock: when it waits no longer for money that may come back."""
    must_end: Callable[[], RoadworthyError | None]
    answer: asyncio.Future[Share]
    sought: PricedCall = field(init=False)
    """The whole call, or a shorter one that fits into what is left."""

    def __post_init__(self) -> None:
        self.sought = self.whole

    def next_step(
        self, short: Sequence[Slice], waiting_for: Callable[[Budget], int]
    ) -> Serve | Ask | Wait | BudgetUsedUp:
        """What to do where these slices have too little for it; so many users wait for a budget."""
        if not short:
            return Serve()
        refused = [one for one in short if self._is_refused(one)]
        if not refused:
            return Ask()
        now = time.monotonic()
        if now < self.give_up and all(_may_come_back(one) for one in refused):
            self.sought = self.whole
            return Wait(min(self.give_up, *(one.ask_again_at for one in refused)))
        tightest = min(refused, key=_within_reach)
        left = _within_reach(tightest)
        shorter = self._within(tightest, left // max(waiting_for(tightest.budget), 1)) or self._within(tightest, left)
        if shorter is None or now > self.give_up + LAST_TRIES_SECONDS:
            return BudgetUsedUp(_words(tightest))
        self.sought = shorter
        return Ask()

    def _within(self, tightest: Slice, money: MicroDollars) -> PricedCall | None:
        return self.whole.within(money, str(tightest.budget))

    def _is_refused(self, one: Slice) -> bool:
        """By what the store said a moment ago."""
        missing = self.sought.worst - one.available
        return time.monotonic() < one.ask_again_at and one.standing.left < missing


def _may_come_back(one: Slice) -> bool:
    return one.reserved > 0 or one.standing.elsewhere > 0


def _within_reach(one: Slice) -> MicroDollars:
    return one.available + one.standing.left


def _words(one: Slice) -> str:
    if not _may_come_back(one):
        return used_up(one.budget, one.limit, one.standing.window_seconds_left)
    return (
        f"{one.budget}, ${dollars(one.limit)}, does not suffice: what is left of it is held for calls under way, and "
        "did not come free in time; try again when they are done"
    )
