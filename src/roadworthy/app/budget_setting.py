"""The limit of a budget in a setting."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from roadworthy.domain.money import micro_dollars

MOST_DOLLARS = 1_000_000_000
_MOST_CHARACTERS = 40


def budget_setting(value: object) -> Decimal | None:
    """Dollars, from what the environment or the file says; ValueError with what can be written instead."""
    if value is None:
        return None
    text = str(value).strip()
    shown = repr(text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…")
    no_amount = f"{shown} is not an amount in dollars; write it like 25 or 0.50, without a sign or a currency"
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError(no_amount) from None
    if amount.is_nan() or amount < 0:
        raise ValueError(no_amount)
    if amount > MOST_DOLLARS:
        raise ValueError(f"{shown} is more than a billion dollars; leave the setting away to have no such budget")
    if micro_dollars(amount) == 0:
        raise ValueError(
            f"{shown} is less than a millionth of a dollar and would refuse every task; leave the setting away to have "
            "no such budget"
        )
    return amount
