"""Budgets: what a user may spend in a day, a tenant in a month, and everybody in a month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from uuid import UUID

from roadworthy.domain.money import MicroDollars, dollars
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Fence


class BudgetScope(StrEnum):
    USER_DAY = "user_day"
    TENANT_MONTH = "tenant_month"
    GLOBAL_MONTH = "global_month"

    def window_start(self, day: date) -> date:
        """The first day of the window that `day` is in."""
        return day if self is BudgetScope.USER_DAY else day.replace(day=1)

    def window_end(self, day: date) -> date:
        """The first day after it."""
        if self is BudgetScope.USER_DAY:
            return day + timedelta(days=1)
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Budget:
    """Whose money it is. Windows are days and months in UTC, by the store's clock."""

    scope: BudgetScope
    tenant: str = ""
    user: str = ""

    def __str__(self) -> str:
        """As people call it."""
        match self.scope:
            case BudgetScope.USER_DAY:
                return f"the daily budget of {self.user}"
            case BudgetScope.TENANT_MONTH:
                return f"the monthly budget of {self.tenant}"
            case BudgetScope.GLOBAL_MONTH:
                return "the monthly budget of everybody"

    @property
    def window(self) -> str:
        """`day` or `month`."""
        return self.scope.value.rpartition("_")[2]


def used_up(budget: Budget, limit: MicroDollars, seconds_left: float) -> str:
    """What those are told who may not spend: which budget it is, its limit, and when it opens again."""
    opens = f"it opens again in {duration_in_words(seconds_left)}, with the next {budget.window} in UTC"
    return f"{budget}, ${dollars(limit)}, is used up; {opens}"


def duration_in_words(seconds: float) -> str:
    """In its two largest units: `3 h 12 min`."""
    for unit, length, smaller, part in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= length:
            rest = int(seconds % length // part)
            return f"{int(seconds // length)} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{max(int(seconds), 1)} s"


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """How much each budget holds in one window; None: there is no such budget."""

    user_day: MicroDollars | None = None
    tenant_month: MicroDollars | None = None
    global_month: MicroDollars | None = None

    @property
    def are_set(self) -> bool:
        """Whether there is any budget."""
        return any(self.of(scope) is not None for scope in BudgetScope)

    def only(self, scope: BudgetScope) -> BudgetLimits:
        """As if there were budgets of this scope alone."""
        return BudgetLimits(**{scope.value: self.of(scope)})

    def covering(self, principal: Principal) -> list[tuple[Budget, MicroDollars]]:
        """The budgets that cover what this principal spends, and their limits."""
        limits = (self.user_day, self.tenant_month, self.global_month)
        return [
            (budget, limit) for budget, limit in zip(budgets_of(principal), limits, strict=True) if limit is not None
        ]

    def of(self, scope: BudgetScope) -> MicroDollars | None:
        """The limit of one budget of that scope."""
        match scope:
            case BudgetScope.USER_DAY:
                return self.user_day
            case BudgetScope.TENANT_MONTH:
                return self.tenant_month
            case BudgetScope.GLOBAL_MONTH:
                return self.global_month


USED_UP_SHARE = 10
"""A budget that refused a call takes no new task once no more than one part in so many is left of it: one call that is
too dear for what is left closes it to cheaper ones only near its end."""


def is_used_up(
    limit: MicroDollars, given: MicroDollars, spent: MicroDollars, refused_limit: MicroDollars | None
) -> bool:
    """Whether a budget takes no new task: all is spent, or a call was refused, with this limit or a higher one, little
    is left, and nothing is under way that could come back."""
    if spent >= limit:
        return True
    refused = refused_limit is not None and refused_limit >= limit
    return refused and given <= spent and (limit - spent) * USED_UP_SHARE <= limit


def budgets_of(principal: Principal) -> tuple[Budget, Budget, Budget]:
    """All that can cover what this principal spends."""
    tenant, user = principal.tenant, principal.user
    return (
        Budget(BudgetScope.USER_DAY, tenant, user),
        Budget(BudgetScope.TENANT_MONTH, tenant),
        Budget(BudgetScope.GLOBAL_MONTH),
    )


class ChargeState(StrEnum):
    OPEN = "open"
    """The call is under way, or its worker was lost and nobody has noticed yet."""
    SETTLED = "settled"
    """`cost` is what the provider takes; 0 for a call that it certainly did not bill."""
    UNCERTAIN = "uncertain"
    """Nobody knows whether the provider bills it: it counts as spent at its estimate."""


@dataclass(frozen=True, slots=True)
class NewCharge:
    """A line of the ledger: one call of a provider, written before it is made."""

    id: UUID
    fence: Fence
    key: str
    """The journal key that the call's reply will have, like `m3`, with the generation as in the journal."""
    principal: Principal
    agent: str
    version: str
    model: str
    estimate: MicroDollars
    holder: UUID
    """The worker's id, as in the registry: whose slices it is taken from."""
    day: date | None = None
    """The window of the holder's slices (its day in UTC); None where no budget covers the call: the store's today."""


MOST_COST: MicroDollars = 10**10
"""Ten thousand dollars: no call costs more, and sums of such are numbers that every store can keep."""
MOST_TOKENS = 2**53
"""No call has more: a provider that says so is mistaken."""


@dataclass(frozen=True, slots=True)
class ChargeSettlement:
    """What became of a charge. Tokens are for the usage report."""

    charge_id: UUID
    cost: MicroDollars | None
    """None: uncertain."""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0

    @property
    def keepable(self) -> ChargeSettlement:
        """This one; where it holds what no store can keep, uncertain: it must not fail those written with it."""
        tokens = (self.input_tokens, self.output_tokens, self.cache_read_tokens)
        if 0 <= (self.cost or 0) <= MOST_COST and all(0 <= count <= MOST_TOKENS for count in tokens):
            return self
        return ChargeSettlement(self.charge_id, None)
