"""What a model's tokens cost, where its owner knows better than the price list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from roadworthy.domain.money import MicroDollars, micro_dollars

MOST: MicroDollars = 10**12
"""A million dollars for a million tokens: more is a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens, written like `"2.50"`.

    `cache_read` and `cache_write` are for input that the provider reads from or writes to its prompt cache; without
    them such input costs what other input does. Raises ValueError for what is no amount, is below zero or
    above a million.
    """

    input: str
    output: str
    cache_read: str | None = None
    cache_write: str | None = None

    def __post_init__(self) -> None:
        for name in ("input", "output", "cache_read", "cache_write"):
            amount: object = getattr(self, name)
            if amount is None and name.startswith("cache"):
                continue
            if isinstance(amount, bool) or not isinstance(amount, str | int | float):
                raise ValueError(f"price {name} must be an amount in dollars, like '2.50', not {amount!r}")
            try:
                above = micro_dollars(amount) > MOST
            except ValueError as error:
                raise ValueError(f"price {name}: {error}") from None
            if above:
                raise ValueError(f"price {name}: {amount!r} is meant for a million tokens, and is above a million")

    @classmethod
    def free(cls) -> Self:
        """Of a model that costs nothing by the token, like one on your own machines."""
        return cls("0", "0")
