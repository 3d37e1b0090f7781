"""Money is a whole number of micro-dollars; a sum of floats is never a bill."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

MicroDollars = int
_MICRO = Decimal(1_000_000)


def micro_dollars(amount: str | int | float | Decimal) -> MicroDollars:
    """`"0.25"` dollars → 250000. Rounds half up; ValueError for what is no amount or is below zero."""
    try:
        dollars = Decimal(str(amount))
    except InvalidOperation:
        raise ValueError(f"{amount!r} is not an amount in dollars; write it like '0.25'") from None
    if not dollars.is_finite() or dollars < 0:
        raise ValueError(f"{amount!r} is not an amount in dollars; it must be zero or more")
    return int((dollars * _MICRO).to_integral_value(ROUND_HALF_UP))


def dollars(amount: MicroDollars) -> str:
    """250000 → `"0.25"`: exact, without trailing zeros or an exponent."""
    text = f"{Decimal(amount) / _MICRO:.6f}".rstrip("0").rstrip(".")
    return text or "0"
