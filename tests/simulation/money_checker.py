"""Holds the ledger against what the provider billed: nothing is overspent, nothing is lost, nothing leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from uuid import UUID

from roadworthy.adapters.memory.money_tables import ChargeRow, MoneyTables, WindowKey
from roadworthy.adapters.memory.task_row import TaskRow
from roadworthy.domain.budget import BudgetLimits, ChargeState, budgets_of
from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import key_in
from roadworthy.domain.task import LIFE_ENDS

Fail = Callable[[str, str], None]


class MoneyChecker:
    def __init__(self, tables: MoneyTables, limits: BudgetLimits, fail: Fail) -> None:
        self._tables = tables
        self._limits = limits
        self._fail = fail
        self._billed: Counter[tuple[TaskId, str]] = Counter()
        """By task and journal key."""
        self._made: Counter[tuple[TaskId, int, str]] = Counter()
        """Calls of the provider, by task, attempt and journal key."""
        self._ended: dict[TaskId, set[UUID]] = {}
        """Ended by the attempts that ran them (what the store ends knows only what the journal says) → open charges.
        Those were to be settled then; where that came to nothing they are uncertain, which the task never hears."""

    def applied(self) -> None:
        """After each transaction on the ledger or the journal."""
        excess: Counter[WindowKey] = Counter()
        for charge in self._tables.charges.values():
            if charge.new.day is not None and charge.spent > charge.new.estimate:
                for key in _windows(charge):
                    excess[key] += charge.spent - charge.new.estimate
        held: Counter[WindowKey] = Counter()
        for (_, budget, day), row in self._tables.slices.items():
            held[budget, budget.scope.window_start(day)] += row.amount + row.corrected
        for key, row in self._tables.budgets.items():
            limit = self._limits.of(key[0].scope) or 0
            if row.given > limit + excess[key]:
                self._fail("no budget is exceeded", f"{key[0]}: ${row.given} of {limit} given, excess {excess[key]}")
            if row.given != held[key]:
                self._fail("slices are what was given", f"{key[0]}: {row.given} given, slices hold {held[key]}")

    def ended(self, row: TaskRow, operation: str) -> None:
        """After a transaction that changed the task."""
        if operation == "task_store.settle" and row.status in LIFE_ENDS:
            self._ended[row.id] = {
                charge.new.id
                for charge in self._tables.charges.values()
                if charge.new.fence.task_id == row.id and charge.state is ChargeState.OPEN
            }
        else:
            self._ended.pop(row.id, None)

    def called(self, row: TaskRow, step: int, name: str) -> None:
        """Before the provider is called."""
        key = key_in(row.generation, f"m{step}")
        self._made[row.id, row.attempt, key] += 1
        charges = [
            charge
            for charge in self._tables.charges.values()
            if (charge.new.fence.task_id, charge.new.fence.attempt, charge.new.key) == (row.id, row.attempt, key)
        ]
        if not any(charge.state is ChargeState.OPEN for charge in charges):
            self._fail("money is reserved before the call", f"{key} of {name} has no open charge")
        if len(charges) < self._made[row.id, row.attempt, key]:
            self._fail("each call has its own charge", f"{key} of {name} was called more often than it was charged")

    def billed(self, row: TaskRow, step: int, cost: int) -> None:
        """By the provider, whatever came of its answer."""
        self._billed[row.id, key_in(row.generation, f"m{step}")] += cost

    def check_end(self, rows: dict[TaskId, TaskRow], name: Callable[[TaskRow], str]) -> None:
        """Once everything has ended, nothing was used for a while, and upkeep had its turn."""
        spent: Counter[tuple[TaskId, str]] = Counter()
        of_task: Counter[TaskId] = Counter()
        for charge in self._tables.charges.values():
            row = rows[charge.new.fence.task_id]
            spent[row.id, charge.new.key] += charge.spent
            if charge.state is ChargeState.SETTLED or charge.new.id not in self._ended.get(row.id, ()):
                of_task[row.id] += charge.spent
            if charge.state is ChargeState.OPEN:
                self._fail("every charge comes to an end", f"{charge.new.key} of {name(row)} is open")
        for (task_id, key), cost in self._billed.items():
            if cost > spent[task_id, key]:
                what = f"{key} of {name(rows[task_id])}: billed {cost}, the ledger says {spent[task_id, key]}"
                self._fail("what is billed is in the ledger", what)
        for row in rows.values():
            if row.id in self._ended and row.usage.cost < of_task[row.id]:
                what = f"{name(row)}: {row.usage.cost}, the ledger says {of_task[row.id]}"
                self._fail("a task knows what it cost", what)
        for key, budget in self._tables.budgets.items():
            if budget.given != budget.spent:
                self._fail("no money leaks", f"{key[0]}: {budget.given} given, {budget.spent} spent")


def _windows(charge: ChargeRow) -> list[WindowKey]:
    return [(budget, budget.scope.window_start(charge.day)) for budget in budgets_of(charge.new.principal)]
