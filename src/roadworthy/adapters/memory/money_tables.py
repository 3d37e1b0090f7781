"""Rows of the ledger, and the rules that ledger, accounts and journal share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from roadworthy.domain.budget import Budget, ChargeSettlement, ChargeState, NewCharge, budgets_of
from roadworthy.domain.journal import generation_of
from roadworthy.domain.money import MicroDollars
from roadworthy.ports.budget_accounts import Alert

WindowKey = tuple[Budget, date]
"""A budget and the first day of a window."""
SliceKey = tuple[UUID, Budget, date]
"""Holder, budget, day."""


@dataclass(slots=True)
class BudgetRow:
    """A budget in one window. Given and spent are sums over its slices."""

    given: MicroDollars = 0
    spent: MicroDollars = 0
    limit: MicroDollars | None = None
    """As the last draw named it."""
    wanted_until: float = float("-inf")
    refused_limit: MicroDollars | None = None
    """The highest limit at which there was not enough for a call."""


@dataclass(slots=True)
class SliceRow:
    amount: MicroDollars = 0
    spent: MicroDollars = 0
    corrected: MicroDollars = 0
    """What operators put right since: the holder does not know of it."""
    number: int = -1
    """Of the holder's last call that changed it."""
    closed: bool = False


@dataclass(slots=True)
class ChargeRow:
    new: NewCharge
    day: date
    at: float
    state: ChargeState = ChargeState.OPEN
    cost: MicroDollars | None = None
    journaled: bool = False
    """A journal entry tells of its cost."""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0

    @property
    def generation(self) -> int:
        return generation_of(self.new.key)

    @property
    def spent(self) -> MicroDollars:
        """What it counts as."""
        match self.state:
            case ChargeState.OPEN:
                return 0
            case ChargeState.SETTLED:
                return self.cost or 0
            case ChargeState.UNCERTAIN:
                return self.new.estimate

    def end(self, settlement: ChargeSettlement) -> None:
        self.state = ChargeState.UNCERTAIN if settlement.cost is None else ChargeState.SETTLED
        self.cost = settlement.cost
        self.input_tokens = settlement.input_tokens
        self.output_tokens = settlement.output_tokens
        self.cache_read_tokens = settlement.cache_read_tokens

    def slices(self) -> list[SliceKey]:
        """Those that it can have been taken from; none where no budget covers it."""
        if self.new.day is None:
            return []
        return [(self.new.holder, budget, self.day) for budget in budgets_of(self.new.principal)]


class MoneyTables:
    def __init__(self) -> None:
        self.budgets: dict[WindowKey, BudgetRow] = {}
        self.slices: dict[SliceKey, SliceRow] = {}
        self.charges: dict[UUID, ChargeRow] = {}
        self.alerts: dict[tuple[Budget, date, int], Alert] = {}

    def budget(self, budget: Budget, day: date) -> BudgetRow:
        """In the window of that day; made when first asked for."""
        return self.budgets.setdefault((budget, budget.scope.window_start(day)), BudgetRow())

    def settle_open(self, settlement: ChargeSettlement, *, journaled: bool) -> None:
        """Nothing for a charge that is settled or uncertain."""
        settlement = settlement.keepable
        row = self.charges.get(settlement.charge_id)
        if row is not None and row.state is ChargeState.OPEN:
            row.end(settlement)
            row.journaled = journaled

    def settle_uncertain(self, settlement: ChargeSettlement) -> None:
        """The real cost of a charge that was declared uncertain; holders of open slices count it themselves."""
        settlement = settlement.keepable
        row = self.charges.get(settlement.charge_id)
        if row is None or row.state is not ChargeState.UNCERTAIN or settlement.cost is None:
            return
        row.end(settlement)
        for key in row.slices():
            if (slice := self.slices.get(key)) and slice.closed:
                self._move(key, slice, settlement.cost - row.new.estimate)

    def correct(self, row: ChargeRow, cost: MicroDollars) -> None:
        row.end(ChargeSettlement(row.new.id, cost, row.input_tokens, row.output_tokens, row.cache_read_tokens))
        for key in row.slices():
            if (slice := self.slices.get(key)) is None:
                continue
            if slice.closed:
                self._move(key, slice, cost - row.new.estimate)
            else:
                slice.corrected += cost - row.new.estimate
                self._count(key, cost - row.new.estimate, cost - row.new.estimate)

    def set_slice(self, key: SliceKey, amount: MicroDollars, spent: MicroDollars) -> None:
        """What its holder says of it."""
        row = self.slices[key]
        amount = max(min(amount, row.amount), spent)
        self._count(key, amount - row.amount, spent - row.spent)
        row.amount, row.spent = amount, spent

    def close(self, key: SliceKey) -> None:
        """Down to what its charges say."""
        holder, budget, day = key
        row = self.slices[key]
        spent = sum(charge.spent for charge in self.charges.values() if key in charge.slices())
        self._count(key, spent - row.amount - row.corrected, spent - row.spent - row.corrected)
        self.slices[holder, budget, day] = SliceRow(spent, spent, number=row.number, closed=True)

    def has_open_charge(self, key: SliceKey) -> bool:
        return any(row.state is ChargeState.OPEN and key in row.slices() for row in self.charges.values())

    def of_window(self, budget: Budget, window_start: date) -> Iterable[SliceRow]:
        """All slices of a budget in one window."""
        for (_, of, day), row in self.slices.items():
            if of == budget and budget.scope.window_start(day) == window_start:
                yield row

    def _move(self, key: SliceKey, row: SliceRow, difference: MicroDollars) -> None:
        row.amount += difference
        row.spent += difference
        self._count(key, difference, difference)

    def _count(self, key: SliceKey, given: MicroDollars, spent: MicroDollars) -> None:
        _, budget, day = key
        row = self.budget(budget, day)
        row.given += given
        row.spent += spent
        if row.limit is not None and row.spent >= row.limit:
            row.refused_limit = max(row.limit, row.refused_limit or 0)


def day_of(moment: float) -> date:
    return datetime.fromtimestamp(moment, UTC).date()


def beginning_of(day: date) -> float:
    """Its first moment, in seconds since 1970."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
