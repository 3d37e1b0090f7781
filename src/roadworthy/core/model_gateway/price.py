"""What a model call costs, from the prices that genai-prices ships."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from roadworthy.domain.money import MicroDollars, micro_dollars


def price(model: str, usage: Mapping[str, int], provider: str | None = None, url: str | None = None) -> MicroDollars:
    """The price of `{input_tokens, output_tokens, cache_read_tokens}`; 0 for a model that nobody has a price for."""
    if (known := _known(model, provider, url)) is None:
        return 0
    from genai_prices import Usage

    tokens = Usage(
        input_tokens=usage.get("input_tokens", 0),
        output_tokens=usage.get("output_tokens", 0),
        cache_read_tokens=usage.get("cache_read_tokens", 0),
    )
    info, of_provider = known
    return micro_dollars(info.calc_price(tokens, of_provider).total_price)


@lru_cache(maxsize=1024)
def _known(model: str, provider: str | None, url: str | None) -> Any:
    """(model, provider) as genai-prices knows them, or None."""
    from genai_prices.data_snapshot import get_snapshot

    for provider_id, api_url in ((None, url), (provider, None), (None, None)):
        try:
            of_provider, info = get_snapshot().find_provider_model(model, None, provider_id, api_url)
        except LookupError:
            continue
        return info, of_provider
    return None
