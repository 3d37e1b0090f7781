"""What a worker holds of one budget on one day."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import date

from roadworthy.domain.budget import Budget
from roadworthy.domain.money import MicroDollars
from roadworthy.ports.budget_ledger import Drawn, SliceReport

WANTED_SECONDS = 3.0
"""For so long a worker keeps none in reserve of a budget that others want."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the last draw said of a budget."""

    left: MicroDollars = 0
    elsewhere: MicroDollars = 0
    """In other workers' slices, and not spent as far as is known."""
    window_seconds_left: float = 0


@dataclass(slots=True, eq=False)
class Slice:
    """Of what was drawn, some is available, some reserved for calls under way, and some spent."""

    budget: Budget
    limit: MicroDollars
    day: date | None = None
    """None until something is drawn."""
    ends: float = float("-inf")
    """On the monotonic clock: then the day is over and the slice lapses."""
    available: MicroDollars = 0
    """Below zero where calls cost more than their estimates."""
    reserved: MicroDollars = 0
    spent: MicroDollars = 0
    used_at: float = 0
    wanted_until: float = float("-inf")
    """Others want it; by what the store said last."""
    standing: Standing = field(default_factory=Standing)
    ask_again_at: float = float("-inf")
    """On the monotonic clock: until then that is believed."""
    told: SliceReport | None = None
    """What the store knows."""
    in_doubt: bool = False
    """A draw was not answered: it may have granted something, which is to go back."""

    @property
    def amount(self) -> MicroDollars:
        return self.available + self.reserved + self.spent

    @property
    def lives(self) -> bool:
        return time.monotonic() < self.ends

    @property
    def is_wanted(self) -> bool:
        """By other workers."""
        return time.monotonic() < self.wanted_until

    def reserve(self, money: MicroDollars) -> None:
        self.available -= money
        self.reserved += money
        self.used_at = time.monotonic()

    def settle(self, estimate: MicroDollars, cost: MicroDollars) -> None:
        """A call is over; what it did not cost may be used again, for as long as the day lasts."""
        self.reserved -= estimate
        self.spent += cost
        if self.lives:
            self.available += estimate - cost
            self.used_at = time.monotonic()

    def drawn(self, answer: Drawn, least: MicroDollars, sent: float) -> None:
        """What the store said to a draw that wanted `least` and was sent then."""
        self.day, self.ends = answer.day, sent + answer.day_seconds_left
        self.available += answer.granted
        told = self.told or SliceReport(self.budget, self.day, 0, 0)
        self.told = SliceReport(self.budget, self.day, told.amount + answer.granted, told.spent)
        left, elsewhere = answer.left, max(answer.outstanding - max(self.told.amount - told.spent, 0), 0)
        if answer.granted < least <= left:
            # Nothing is given to a worker that counts as gone: it is about to hear so.
            left, elsewhere = least - 1, max(elsewhere, 1)
        self.standing = Standing(left, elsewhere, answer.seconds_left)

    def lapse(self) -> None:
        """The day is over: what is not in use goes back."""
        self.ends = float("-inf")
        self.give_back()

    def give_back(self) -> None:
        """All that is not in use, with the next report."""
        self.available = min(self.available, 0)

    def news(self) -> SliceReport | None:
        """What the store does not know yet."""
        if self.day is None and not self.in_doubt:
            return None
        report = SliceReport(self.budget, self.day, self.amount, self.spent)
        return report if self.in_doubt or report != self.told else None

    def reported(self, report: SliceReport) -> None:
        """The store knows, and has taken from the budget what was spent beyond the slice."""
        self.in_doubt = False
        if self.day is not None:
            grown = max(report.spent - report.amount, 0)
            self.available += grown
            self.told = replace(report, amount=report.amount + grown)

    @property
    def is_at_rest(self) -> bool:
        """Nothing of it is in use or kept for use, and the store knows. Its totals are needed until the day is over."""
        return self.available <= 0 and not self.reserved and self.news() is None
