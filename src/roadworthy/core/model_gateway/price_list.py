"""Prices that genai-prices knows. Importing this takes a quarter of a second: `PriceBook.read` does it at the start.

Only its data is used: its own arithmetic takes many times as long for each call as ours in `prices.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

from roadworthy.core.model_gateway.rates import Bands, Rates, Tariff

_List = Decimal | TieredPrices | None

get_snapshot()


def listed(model: str, provider: str | None, url: str | None) -> Tariff | None:
    """The price of a model, by its name alone or of this provider; None where it is not listed."""
    for name, provider_id, api_url in _ways_to_look_up(model, provider, url):
        try:
            _, info = get_snapshot().find_provider_model(name, None, provider_id, api_url)
        except LookupError:
            continue
        if (found := tariff(info)) is not None:
            return found
    return None


def _ways_to_look_up(model: str, provider: str | None, url: str | None) -> Iterator[tuple[str, str | None, str | None]]:
    """Where the provider is known, its prices only: elsewhere the same model may cost something else, or nothing."""
    prefix, colon, bare = model.partition(":")
    if url:
        yield model, None, url
    if provider:
        yield model, provider, None
    if colon:
        yield bare, prefix, None
    if not provider:
        yield model, None, None


def tariff(model: ModelInfo) -> Tariff | None:
    """A model's price; None where it is not by the token."""
    prices = model.prices
    if isinstance(prices, ModelPrice):
        return _bands(prices)
    periods = [(each.constraint, bands) for each in prices if (bands := _bands(each.prices)) is not None]
    if not periods:
        return None

    def at(now: datetime) -> Bands:
        # The last one that holds counts, and where none does the first: as genai-prices has it.
        for constraint, bands in reversed(periods):
            if constraint is None or constraint.active(now):
                return bands
        return periods[0][1]

    return at if len(periods) > 1 else periods[0][1]


def _bands(price: ModelPrice) -> Bands | None:
    if price.input_mtok is None and price.output_mtok is None:
        return None
    kinds = (
        price.input_mtok,
        price.output_mtok,
        price.cache_read_mtok,
        price.cache_write_mtok,
        price.cache_write_1h_mtok,
        price.requests_kcount,
    )
    starts = {tier.start for kind in kinds if isinstance(kind, TieredPrices) for tier in kind.tiers}
    return tuple((start, _rates(*(_above(kind, start) for kind in kinds))) for start in sorted({0} | starts))


def _rates(
    of_input: Decimal | None,
    output: Decimal | None,
    read: Decimal | None,
    written: Decimal | None,
    written_1h: Decimal | None,
    thousand_requests: Decimal | None,
) -> Rates:
    """A kind without a price of its own costs what the wider kind costs that it belongs to."""
    of_input = of_input or Decimal(0)
    written = of_input if written is None else written
    return Rates(
        of_input,
        output or Decimal(0),
        of_input if read is None else read,
        written,
        written if written_1h is None else written_1h,
        (thousand_requests or Decimal(0)) * 1000,
    )


def _above(price: _List, start: int) -> Decimal | None:
    """The price where the input is longer than `start` tokens."""
    if not isinstance(price, TieredPrices):
        return price
    return next((tier.price for tier in reversed(price.tiers) if start >= tier.start), price.base)
