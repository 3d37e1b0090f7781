"""What people and upkeep ask of the ledger, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from roadworthy.adapters.memory.database import ENDED, MemoryDatabase
from roadworthy.adapters.memory.money_tables import BudgetRow, ChargeRow, beginning_of, day_of
from roadworthy.domain.budget import Budget, BudgetLimits, ChargeSettlement, ChargeState, budgets_of, is_used_up
from roadworthy.domain.ids import TaskId
from roadworthy.domain.money import MicroDollars, dollars
from roadworthy.domain.operator_action import OperatorAction
from roadworthy.domain.principal import Principal, check_operator
from roadworthy.domain.task import TaskStatus
from roadworthy.ports.budget_accounts import ALERTS, Alert, Charge, Standing

SETTLING_SECONDS = 60
"""How long a worker that lives may take to say what became of a call."""
CLOSING_SECONDS = 3600
"""How long after midnight the slices of the day before are closed."""


class MemoryBudgetAccounts:
    """A `BudgetAccounts` over a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._money = database.money

    async def standings(self, limits: BudgetLimits, most: int = 100) -> list[Standing]:
        def standings() -> list[Standing]:
            found = [self._standing(*each) for each in self._present(limits) if each[2].given or each[2].spent]
            found.sort(key=lambda each: (-_fullness(each), _order(each.budget)))
            return found[:most]

        return await self._database.run("budget_accounts.standings", standings)

    async def used_up(self, limits: BudgetLimits) -> list[Standing]:
        def used_up() -> list[Standing]:
            refused = [each for each in self._present(limits) if each[2].refused_limit is not None]
            return [standing for each in refused if (standing := self._standing(*each)).used_up]

        return await self._database.run("budget_accounts.used_up", used_up)

    async def new_alerts(self, limits: BudgetLimits) -> list[Alert]:
        def new_alerts() -> list[Alert]:
            new: list[Alert] = []
            for budget, limit, row in self._present(limits):
                for percent in ALERTS:
                    if _has_reached(percent, limit, row):
                        new += self._alerted(budget, limit, row, percent)
            return sorted(new, key=lambda alert: (_order(alert.budget), alert.percent))

        return await self._database.run("budget_accounts.new_alerts", new_alerts)

    async def alerts(self, most: int = 100) -> list[Alert]:
        def newest() -> list[Alert]:
            found = self._money.alerts.values()
            return sorted(found, key=lambda alert: (-alert.at, -alert.percent, _order(alert.budget)))[:most]

        return await self._database.run("budget_accounts.alerts", newest)

    async def settle_lost(self) -> int:
        def settle_lost() -> int:
            lost = [row for row in self._money.charges.values() if self._is_lost(row)]
            for row in lost:
                self._money.settle_open(ChargeSettlement(row.new.id, None), journaled=False)
            self._end_overdue_leases()
            over = self._database.now() - CLOSING_SECONDS
            ended = [
                key
                for key, row in self._money.slices.items()
                if not row.closed
                and (self._is_gone(key[0]) or beginning_of(key[2] + timedelta(days=1)) < over)
                and not self._money.has_open_charge(key)
            ]
            for key in ended:
                self._money.close(key)
            return len(lost) + len(ended)

        return await self._database.run("budget_accounts.settle_lost", settle_lost)

    async def charges(
        self,
        *,
        state: ChargeState | None = None,
        task_id: TaskId | None = None,
        before: UUID | None = None,
        most: int = 50,
    ) -> list[Charge]:
        def newest() -> list[Charge]:
            return [
                _charge(row)
                for row in sorted(self._money.charges.values(), key=lambda row: row.new.id, reverse=True)
                if state in (None, row.state)
                and task_id in (None, row.new.fence.task_id)
                and (before is None or row.new.id < before)
            ][:most]

        return await self._database.run("budget_accounts.charges", newest)

    async def correct(self, charge_id: UUID, cost: MicroDollars, action: OperatorAction) -> Charge | None:
        check_operator(action.operator)

        def correct() -> Charge | None:
            row = self._money.charges.get(charge_id)
            if row is None:
                return None
            if row.state is not ChargeState.UNCERTAIN:
                raise _charge(row).not_uncertain()
            self._money.correct(row, cost)
            detail = dict(action.target.detail) | {"estimate_usd": dollars(row.new.estimate)}
            target = replace(action.target, detail=detail, task_id=row.new.fence.task_id)
            self._database.record_actions(action.operator, action.kind, [target], action.note)
            return _charge(row)

        return await self._database.run("budget_accounts.correct", correct)

    async def usage(
        self, principal: Principal, by: Literal["day", "agent", "model"], days: int
    ) -> list[dict[str, Any]]:
        def usage() -> list[dict[str, Any]]:
            first = day_of(self._database.now()) - timedelta(days=days - 1)
            sums: dict[str, Counter[str]] = {}
            for row in self._money.charges.values():
                owner = row.new.principal
                if (owner.tenant, owner.user) == (principal.tenant, principal.user) and row.day >= first:
                    _add(sums.setdefault(_NAMED[by](row), Counter(dict.fromkeys(_COUNTED, 0))), row)
            lines = [{by: name} | dict(counted) for name, counted in sorted(sums.items()) if counted["calls"]]
            return lines[::-1] if by == "day" else sorted(lines, key=lambda line: -line["cost"])

        return await self._database.run("budget_accounts.usage", usage)

    def _present(self, limits: BudgetLimits) -> Iterator[tuple[Budget, MicroDollars, BudgetRow]]:
        """The budgets of the present windows that have a limit."""
        today = day_of(self._database.now())
        for (budget, window_start), row in self._money.budgets.items():
            limit = limits.of(budget.scope)
            if limit is not None and budget.scope.window_start(today) == window_start:
                yield budget, limit, row

    def _standing(self, budget: Budget, limit: MicroDollars, row: BudgetRow) -> Standing:
        now = self._database.now()
        today = day_of(now)
        window = budget.scope.window_start(today)
        uncertain = sum(
            charge.new.estimate
            for charge in self._money.charges.values()
            if charge.state is ChargeState.UNCERTAIN
            and charge.new.day is not None
            and budget in budgets_of(charge.new.principal)
            and budget.scope.window_start(charge.day) == window
        )
        return Standing(
            budget=budget,
            limit=limit,
            spent=row.spent,
            reserved=row.given - row.spent,
            uncertain=uncertain,
            used_up=is_used_up(limit, row.given, row.spent, row.refused_limit),
            seconds_left=beginning_of(budget.scope.window_end(today)) - now,
        )

    def _alerted(self, budget: Budget, limit: MicroDollars, row: BudgetRow, percent: int) -> list[Alert]:
        now = self._database.now()
        window = budget.scope.window_start(day_of(now))
        if (budget, window, percent) in self._money.alerts:
            return []
        alert = Alert(budget, percent, window.isoformat(), now, limit, row.spent)
        self._money.alerts[budget, window, percent] = alert
        return [alert]

    def _is_lost(self, row: ChargeRow) -> bool:
        """Nobody will say what became of its call."""
        if row.state is not ChargeState.OPEN:
            return False
        task = self._database.tasks.get(row.new.fence.task_id)
        if task is not None and task.attempt == row.new.fence.attempt and task.status is TaskStatus.RUNNING:
            return False
        return row.at < self._database.now() - SETTLING_SECONDS or self._has_no_lease(row.new.holder)

    def _is_gone(self, holder: UUID) -> bool:
        return self._has_no_lease(holder) and not self._runs_anything(holder)

    def _has_no_lease(self, holder: UUID) -> bool:
        """None that could be renewed."""
        worker = self._database.workers.get(holder)
        return worker is None or worker.lease_until == ENDED

    def _end_overdue_leases(self) -> None:
        overdue = self._database.now() - SETTLING_SECONDS
        for holder in {holder for (holder, _, _), row in self._money.slices.items() if not row.closed}:
            worker = self._database.workers.get(holder)
            if worker is not None and worker.lease_until < overdue and not self._runs_anything(holder):
                self._database.end_lease(holder)

    def _runs_anything(self, holder: UUID) -> bool:
        return any(row.worker_id == holder for row in self._database.with_status(TaskStatus.RUNNING))


_NAMED: dict[str, Callable[[ChargeRow], str]] = {
    "day": lambda row: row.day.isoformat(),
    "agent": lambda row: row.new.agent,
    "model": lambda row: row.new.model,
}
_COUNTED = ("cost", "uncertain", "input_tokens", "output_tokens", "cache_read_tokens", "calls")


def _add(sums: Counter[str], row: ChargeRow) -> None:
    if row.state is ChargeState.OPEN or not (row.spent or row.input_tokens or row.output_tokens):
        return
    sums["cost"] += row.spent
    sums["uncertain"] += row.spent if row.state is ChargeState.UNCERTAIN else 0
    sums["input_tokens"] += row.input_tokens
    sums["output_tokens"] += row.output_tokens
    sums["cache_read_tokens"] += row.cache_read_tokens
    sums["calls"] += 1


def _has_reached(percent: int, limit: MicroDollars, row: BudgetRow) -> bool:
    return row.spent * 100 >= limit * percent or is_used_up(limit, row.given, row.spent, row.refused_limit)


def _fullness(standing: Standing) -> float:
    used = standing.spent + standing.reserved
    return used / standing.limit if standing.limit else float("inf")


def _order(budget: Budget) -> tuple[str, str, str]:
    return budget.scope.value, budget.tenant, budget.user


def _charge(row: ChargeRow) -> Charge:
    new = row.new
    return Charge(
        id=new.id,
        task_id=new.fence.task_id,
        key=new.key,
        principal=new.principal,
        agent=new.agent,
        version=new.version,
        model=new.model,
        state=row.state,
        estimate=new.estimate,
        cost=row.cost,
        attempt=new.fence.attempt,
        at=row.at,
    )
