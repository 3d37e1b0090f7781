"""What people are told of a budget, and which budgets cover whom."""

from datetime import date

import pytest

from roadworthy.domain.budget import Budget, BudgetLimits, BudgetScope, duration_in_words, is_used_up, used_up
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


@pytest.mark.parametrize(
    ("day", "month_start", "month_end"),
    [
        (date(2024, 2, 29), date(2024, 2, 1), date(2024, 3, 1)),
        (date(2026, 12, 31), date(2026, 12, 1), date(2027, 1, 1)),
        (date(2027, 1, 1), date(2027, 1, 1), date(2027, 2, 1)),
    ],
)
def test_windows_are_days_and_calendar_months(day: date, month_start: date, month_end: date):
    for scope in (BudgetScope.TENANT_MONTH, BudgetScope.GLOBAL_MONTH):
        assert (scope.window_start(day), scope.window_end(day)) == (month_start, month_end)
    assert BudgetScope.USER_DAY.window_start(day) == day
    assert BudgetScope.USER_DAY.window_end(day).toordinal() == day.toordinal() + 1


@pytest.mark.parametrize(
    ("given", "spent", "refused_limit", "closed"),
    [
        (100, 100, None, True),
        (120, 120, None, True),
        (100, 99, None, False),
        (90, 90, 100, True),
        (89, 89, 100, False),
        (95, 90, 100, False),
        (95, 95, 99, False),
        (95, 95, 200, True),
        (95, 95, None, False),
    ],
    ids=[
        "all spent",
        "more than all",
        "nobody was refused",
        "refused, and a tenth is left",
        "refused, and more is left",
        "refused, and money may come back",
        "refused at a lower limit",
        "refused at a higher limit",
        "little is left",
    ],
)
def test_a_budget_is_used_up(given: int, spent: int, refused_limit: int | None, closed: bool):
    assert is_used_up(100, given, spent, refused_limit) is closed
