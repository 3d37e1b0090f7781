"""What people and upkeep may ask of the ledger and do to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol
from uuid import UUID

from roadworthy.domain.budget import Budget, BudgetLimits, ChargeState
from roadworthy.domain.errors import NotUncertain
from roadworthy.domain.ids import TaskId
from roadworthy.domain.money import MicroDollars, dollars
from roadworthy.domain.operator_action import OperatorAction
from roadworthy.domain.principal import Principal

ALERTS = (50, 80, 100)
"""Percent of a budget at which operators are told, once each."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One budget in its present window."""

    budget: Budget
    limit: MicroDollars
    spent: MicroDollars
    """Settled and uncertain."""
    reserved: MicroDollars
    """Given to workers for calls under way or to come."""
    uncertain: MicroDollars
    """The part of `spent` that nobody knows for certain."""
    used_up: bool
    """It takes no new task (`domain.budget.is_used_up`)."""
    seconds_left: float

    @property
    def used_ratio(self) -> float:
        """The part of the limit that is spent; above 1 where calls cost more than was estimated."""
        return self.spent / self.limit


@dataclass(frozen=True, slots=True)
class Alert:
    budget: Budget
    percent: int
    window_start: str
    """ISO date."""
    at: float
    """Seconds since 1970, by the store's clock."""
    limit: MicroDollars = 0
    """As it was then."""
    spent: MicroDollars = 0
    """By then, settled and uncertain."""


@dataclass(frozen=True, slots=True)
class Charge:
    """A line of the ledger, as operators see it."""

    id: UUID
    task_id: TaskId
    key: str
    principal: Principal
    agent: str
    version: str
    model: str
    state: ChargeState
    estimate: MicroDollars
    cost: MicroDollars | None
    attempt: int
    at: float

    def not_uncertain(self) -> NotUncertain:
        """Why it can't be corrected."""
        fate = "its call is under way" if self.cost is None else f"it is settled at ${dollars(self.cost)}"
        return NotUncertain(f"only a charge that nobody is certain of can be corrected; {fate}")


class BudgetAccounts(Protocol):
    async def standings(self, limits: BudgetLimits, most: int = 100) -> list[Standing]:
        """The budgets out of which anything was given in their present window, fullest (spent and reserved over limit)
        first."""
        ...

    async def used_up(self, limits: BudgetLimits) -> list[Standing]:
        """Those that take no new task until their window ends or their limit is raised; cheap enough to be asked every
        second. After a limit was lowered, a budget is among them once somebody wanted money of it."""
        ...

    async def new_alerts(self, limits: BudgetLimits) -> list[Alert]:
        """Record the alerts that are due, once each for a budget, window and percentage; answers the new ones,
        500 at most. What is used up has reached 100 %, whatever is left of it."""
        ...

    async def alerts(self, most: int = 100) -> list[Alert]:
        """The newest first."""
        ...

    async def settle_lost(self) -> int:
        """Make charges uncertain whose task is no longer run by the attempt that made them, a minute after they were
        made or once their holder is gone; then close the slices of holders that are gone, and those of days that are
        over. Returns how many charges and slices that were: 500 of each at most.

        A holder is gone when it runs no task and its lease was ended; that of a worker which holds money, runs nothing
        and is overdue for a minute is ended here.
        """
        ...

    async def charges(
        self,
        *,
        state: ChargeState | None = None,
        task_id: TaskId | None = None,
        before: UUID | None = None,
        most: int = 50,
    ) -> list[Charge]:
        """Newest first, from `before` (a charge's id) on."""
        ...

    async def correct(self, charge_id: UUID, cost: MicroDollars, action: OperatorAction) -> Charge | None:
        """Give an uncertain charge its real cost, and the difference back to its budgets, with the record of who did
        it in the same transaction; None if there is no such charge. Raises NotUncertain for one in another state.

        The record is `action` at the store's time, with the charge's task as its target's."""
        ...

    async def usage(
        self, principal: Principal, by: Literal["day", "agent", "model"], days: int
    ) -> list[dict[str, Any]]:
        """`{day | agent | model, cost, uncertain, input_tokens, output_tokens, cache_read_tokens, calls}` of the
        principal's own charges, today and the days before in UTC, `days` in all; days newest first, agents and models
        by cost. `cost` includes what is `uncertain`; calls that have no end yet, and those that nobody is charged for,
        are not counted."""
        ...
