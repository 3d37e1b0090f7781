"""What people are told of a budget, and which budgets cover whom."""

import pytest

from roadworthy.domain.budget import Budget, BudgetLimits, BudgetScope, duration_in_words, used_up
from roadworthy.domain.principal import Principal

ALICE = Principal("acme", "alice")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (119, "1 min 59 s"),
        (3600, "1 h"),
        (11_525, "3 h 12 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d"),
        (31 * 86_400 - 1, "30 d 23 h"),
    ],
)
def test_how_long_it_takes_in_two_units(seconds: float, words: str):
    assert duration_in_words(seconds) == words


def test_the_words_for_whom_a_budget_refuses_name_it_its_limit_and_when_it_opens():
    words = used_up(Budget(BudgetScope.TENANT_MONTH, "acme"), 20_500_000, 2 * 86_400)
    assert words == "the monthly budget of acme, $20.5, is used up; it opens again in 2 d, with the next month in UTC"
    assert "the daily budget of alice, $1, " in used_up(Budget(BudgetScope.USER_DAY, "acme", "alice"), 1_000_000, 5)
    assert "the monthly budget of everybody" in used_up(Budget(BudgetScope.GLOBAL_MONTH), 1_000_000, 5)


def test_only_budgets_that_have_a_limit_cover_anybody():
    limits = BudgetLimits(user_day=1, global_month=3)
    assert limits.covering(ALICE) == [(Budget(BudgetScope.USER_DAY, "acme", "alice"), 1),
                                      (Budget(BudgetScope.GLOBAL_MONTH), 3)]  # fmt: skip
    assert limits.only(BudgetScope.GLOBAL_MONTH).covering(ALICE) == [(Budget(BudgetScope.GLOBAL_MONTH), 3)]
    assert not limits.only(BudgetScope.TENANT_MONTH).are_set
    assert not BudgetLimits().are_set
