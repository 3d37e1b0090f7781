from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.domain.money import dollars, micro_dollars


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("0.25", 250_000), ("0", 0), (1, 1_000_000), (0.1, 100_000), (Decimal("0.000001"), 1), ("1e-6", 1)],
)
def test_dollars_become_whole_micro_dollars(amount: str | float | Decimal, expected: int):
    assert micro_dollars(amount) == expected


def test_half_a_micro_dollar_rounds_up():
    assert [micro_dollars(amount) for amount in ("0.0000004", "0.0000005", "0.0000015")] == [0, 1, 2]


@pytest.mark.parametrize("amount", ["", "free", "-1", "-0.000001", "nan", "inf", "1,5"])
def test_what_is_no_amount_is_refused_with_the_amount_in_the_message(amount: str):
    with pytest.raises(ValueError, match="is not an amount"):
        micro_dollars(amount)


@pytest.mark.parametrize(("amount", "text"), [(250_000, "0.25"), (0, "0"), (1, "0.000001"), (100_000_000, "100")])
def test_amounts_are_written_without_trailing_zeros_or_an_exponent(amount: int, text: str):
    assert dollars(amount) == text


@given(st.integers(0, 10**15))
def test_no_micro_dollar_is_lost_on_the_way_through_text(amount: int):
    assert micro_dollars(dollars(amount)) == amount
