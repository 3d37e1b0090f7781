"""What a model call costs: as its service declares, else as the price file does, else as genai-prices knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from importlib import import_module

import structlog

from roadworthy.core.model_gateway.rates import Bands, Rates, Tariff, flat, rates_for
from roadworthy.domain.budget import MOST_COST
from roadworthy.domain.money import MicroDollars
from roadworthy.domain.price import Price
from roadworthy.domain.service import AgentService

DEFAULT_OUTPUT_TOKENS = 4096
"""What a call is expected to write at most where nobody limits it."""
LEAST_OUTPUT_TOKENS = 64
"""With less than this an answer is not worth asking for."""
NO_OUTPUT_LIMIT = 2**31 - 1
"""Tokens, where output costs nothing."""
IN_PROCESS = "function:"
"""How the names of models begin that are functions in this process."""
UNKNOWN_PRICE = Price(input="15", output="75")
"""For a model that nobody has a price for: what the dearest models in common use cost, because a guess that is too low
would let a budget be overrun, and one of zero would do so without end."""

_SEVERAL = "fallback:"
"""How pydantic-ai's FallbackModel calls itself, before the names of its models."""
_MOST_NAMES = 1024
"""Remembered at once: a plain function may make up names."""

log = structlog.get_logger()


class PriceBook:
    """The prices of one process. `overrides` are those of the price file."""

    def __init__(self, overrides: Mapping[str, Price] | None = None) -> None:
        self._overrides = _Declared(overrides or {})
        self._of: dict[AgentService, Prices] = {}

    def read(self) -> None:
        """Load the list of genai-prices now: it takes a quarter of a second, which no event loop has."""
        import_module("roadworthy.core.model_gateway.price_list")

    def of(self, service: AgentService) -> Prices:
        """The prices that hold for this service; the same object each time."""
        if (prices := self._of.get(service)) is None:
            prices = self._of[service] = Prices(service.prices, self._overrides)
        return prices


class Prices:
    """The prices of one service. A model is named as in ModelTiers (`anthropic:claude-…`) or by its bare name.

    Token counts are `input_tokens` (cached ones included), `output_tokens`, `cache_read_tokens`, `cache_write_tokens`
    and, of the latter, `cache_write_1h_tokens`.
    """

    def __init__(
        self,
        declared: Mapping[str, Price] | None = None,
        overrides: _Declared | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._declared = (_Declared(declared or {}), overrides or _Declared({}))
        self._now = now
        self._tariffs: dict[tuple[str, str | None, str | None, str | None], Tariff | None] = {}
        self._guessed: set[str] = set()

    def is_known(self, model: str, provider: str | None = None, url: str | None = None) -> bool:
        """Whether somebody has a price for the model, be it zero."""
        return self._tariff(model, provider, url, None) is not None

    def cost(
        self,
        model: str,
        usage: Mapping[str, int],
        provider: str | None = None,
        url: str | None = None,
        *,
        asked: str | None = None,
    ) -> MicroDollars:
        """What a reply costs. `model` is what the provider says that it was, `asked` what it was asked for."""
        bands = self._bands(model, provider, url, asked)
        return min(max(_rounded(_price(usage, bands), ROUND_HALF_UP), 0), MOST_COST)

    def saved(
        self,
        model: str,
        usage: Mapping[str, int],
        provider: str | None = None,
        url: str | None = None,
        *,
        asked: str | None = None,
    ) -> MicroDollars:
        """What the provider's prompt cache made cheaper; below zero where it was written to and not read."""
        if not (usage.get("cache_read_tokens") or usage.get("cache_write_tokens")):
            return 0
        bands = self._bands(model, provider, url, asked)
        uncached = {name: usage.get(name, 0) for name in ("input_tokens", "output_tokens")}
        return _rounded(_price(uncached, bands) - _price(usage, bands), ROUND_HALF_UP)

    def worst(
        self, model: str, input_tokens: int, output_tokens: int | None, *, is_kept_for_an_hour: bool = False
    ) -> MicroDollars:
        """What a call costs at most, with all of its input written to the provider's cache and all output used."""
        rates = rates_for(self._bands(model), input_tokens)
        output = DEFAULT_OUTPUT_TOKENS if output_tokens is None else output_tokens
        of_input = _dearest_input(rates, input_tokens, is_kept_for_an_hour)
        return min(_rounded(of_input + rates.output * output, ROUND_CEILING), MOST_COST)

    def output_within(
        self, model: str, input_tokens: int, money: MicroDollars, *, is_kept_for_an_hour: bool = False
    ) -> int:
        """How many tokens of output the money is enough for, after the input; 0 where it isn't even for that."""
        rates = rates_for(self._bands(model), input_tokens)
        left = money - _dearest_input(rates, input_tokens, is_kept_for_an_hour)
        if left < 0:
            return 0
        if not rates.output:
            return NO_OUTPUT_LIMIT
        return min(_rounded(left / rates.output, ROUND_FLOOR), NO_OUTPUT_LIMIT)

    def _bands(
        self, model: str, provider: str | None = None, url: str | None = None, asked: str | None = None
    ) -> Bands:
        tariff = self._tariff(model, provider, url, asked)
        if tariff is None:
            self._say_unknown(asked or model)
            return _UNKNOWN
        return tariff(self._now()) if callable(tariff) else tariff

    def _tariff(self, model: str, provider: str | None, url: str | None, asked: str | None) -> Tariff | None:
        key = (model, provider, url, asked)
        try:
            return self._tariffs[key]
        except KeyError:
            if len(self._tariffs) >= _MOST_NAMES:
                self._tariffs.clear()
            found = self._tariffs[key] = self._found(model, provider, url, asked)
            return found

    def _found(self, model: str, provider: str | None, url: str | None, asked: str | None) -> Tariff | None:
        names = [(model, provider, url)]
        if asked is not None and asked != model:
            names.append((asked, None, None) if ":" in asked else (asked, provider, url))
        for declared in self._declared:
            for name, of_provider, _ in names:
                if (price := declared.find(name, of_provider)) is not None:
                    return flat(price)
        for name, of_provider, its_url in names:
            # What a provider calls itself in its reply proves neither.
            is_ours = name == (asked or model)
            if is_ours and _runs_in_this_process(name):
                return _FREE
            if is_ours and name.startswith(_SEVERAL):
                return self._dearest_of(name.removeprefix(_SEVERAL).split(","))
            if (tariff := _listed(name, of_provider, its_url)) is not None:
                return tariff
        return None

    def _dearest_of(self, models: Sequence[str]) -> Tariff | None:
        tariffs = [tariff for model in models if (tariff := self._tariff(model, None, None, None)) is not None]
        if len(tariffs) < len(models):
            return None
        return lambda now: max((each(now) if callable(each) else each for each in tariffs), key=_price_of_little)

    def _say_unknown(self, model: str) -> None:
        if model in self._guessed:
            return
        if len(self._guessed) < _MOST_NAMES:
            self._guessed.add(model)
        log.error(
            "price_unknown",
            model=model,
            charged=f"${UNKNOWN_PRICE.input} for a million tokens of input, ${UNKNOWN_PRICE.output} of output",
            todo=how_to_declare(model),
        )


def how_to_declare(model: str) -> str:
    """What to do about a model without a price."""
    return (
        f'declare what it costs, AgentService(prices={{"{model}": Price(input="2.50", output="10")}}), in dollars for '
        "a million tokens; for one that costs nothing, Price.free()"
    )


class _Declared:
    """Prices by name, found under the bare name of a model, too."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices: dict[str, Price] = {}
        for name, price in prices.items():
            self._prices.setdefault(_bare(name).lower(), price)
        self._prices |= {name.lower(): price for name, price in prices.items()}

    def find(self, model: str, provider: str | None) -> Price | None:
        if not self._prices:
            return None
        bare = _bare(model)
        named = (f"{provider}:{bare}", f"{provider}:{model}") if provider else ()
        return next((self._prices[n.lower()] for n in (model, *named, bare) if n.lower() in self._prices), None)


def _bare(model: str) -> str:
    """`anthropic:claude-…` → `claude-…`"""
    return model.partition(":")[2] or model


def _runs_in_this_process(model: str) -> bool:
    """pydantic-ai's TestModel and FunctionModel, which call nobody."""
    return model == "test" or model.startswith(IN_PROCESS)


def _listed(model: str, provider: str | None, url: str | None) -> Tariff | None:
    from roadworthy.core.model_gateway.price_list import listed

    return listed(model, provider, url)


def _price(usage: Mapping[str, int], bands: Bands) -> Decimal:
    of_input = usage.get("input_tokens", 0)
    rates = rates_for(bands, of_input)
    read, written = usage.get("cache_read_tokens", 0), usage.get("cache_write_tokens", 0)
    written_1h = min(usage.get("cache_write_1h_tokens", 0), written)
    return (
        rates.request
        + rates.input * max(of_input - read - written, 0)
        + rates.cache_read * read
        + rates.cache_write * (written - written_1h)
        + rates.cache_write_1h * written_1h
        + rates.output * usage.get("output_tokens", 0)
    )


def _price_of_little(bands: Bands) -> Decimal:
    return bands[0][1].input + bands[0][1].output


def _dearest_input(rates: Rates, tokens: int, is_kept_for_an_hour: bool) -> Decimal:
    written = max(rates.cache_write, rates.cache_write_1h) if is_kept_for_an_hour else rates.cache_write
    return rates.request + max(rates.input, written) * tokens


def _rounded(amount: Decimal, rounding: str) -> int:
    return int(amount.to_integral_value(rounding))


_UNKNOWN = flat(UNKNOWN_PRICE)
_FREE = flat(Price.free())
