"""A model's price made ready for arithmetic: micro-dollars for one token, by the length of the input and the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from roadworthy.domain.price import Price


class Rates(NamedTuple):
    """Micro-dollars for one token, which is the same number as dollars for a million."""

    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal
    cache_write_1h: Decimal
    request: Decimal = Decimal(0)
    """For a call, whatever it says."""


Bands = tuple[tuple[int, Rates], ...]
"""Which rates hold for all tokens of a call whose input is longer than so many tokens; the first for any."""
Tariff = Bands | Callable[[datetime], Bands]
"""A function where the price depends on date or hour."""


def rates_for(bands: Bands, input_tokens: int) -> Rates:
    if len(bands) == 1:
        return bands[0][1]
    return next((rates for start, rates in reversed(bands) if input_tokens > start), bands[0][1])


def flat(price: Price) -> Bands:
    """Of a price that somebody declared."""
    of_input = _decimal(price.input)
    read = of_input if price.cache_read is None else _decimal(price.cache_read)
    written = of_input if price.cache_write is None else _decimal(price.cache_write)
    return ((0, Rates(of_input, _decimal(price.output), read, written, written)),)


def _decimal(amount: str | int | float) -> Decimal:
    return Decimal(str(amount))
