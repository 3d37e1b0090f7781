"""Whoever asks about everybody's money must be an operator, whatever way the question took."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from task_life import World

from roadworthy.adapters.memory.budget_accounts import MemoryBudgetAccounts
from roadworthy.core.insight.budgets import Budgets
from roadworthy.core.operations.correct_charge import CorrectCharge, Correction
from roadworthy.domain.budget import BudgetLimits
from roadworthy.domain.errors import NotAllowed, NotFound
from roadworthy.domain.ids import new_id
from roadworthy.domain.principal import DEVELOPER, Principal

Ask = Callable[[Budgets, CorrectCharge, Principal], Awaitable[object]]


@pytest.mark.parametrize(
    "ask",
    [
        lambda budgets, _, who: budgets.standings(who, 1),
        lambda budgets, _, who: budgets.alerts(who, 1),
        lambda budgets, _, who: budgets.charges(who, None, None, 1),
        lambda _, correct, who: correct.correct(who, new_id(), Correction(0)),
    ],
)
async def test_only_operators_are_answered(ask: Ask):
    accounts = MemoryBudgetAccounts(World().database)
    budgets, correct = Budgets(accounts, BudgetLimits(1)), CorrectCharge(accounts)
    with pytest.raises(NotAllowed):
        await ask(budgets, correct, Principal("acme", "alice"))
    try:
        await ask(budgets, correct, DEVELOPER)
    except NotFound as error:
        assert "no charge of that id" in error.message
