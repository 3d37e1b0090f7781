"""What one call of a provider costs at most, and how much shorter its answer must be where that is too much."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from roadworthy.core.model_gateway.prices import LEAST_OUTPUT_TOKENS, Prices
from roadworthy.domain.money import MicroDollars


@dataclass(frozen=True)
class PricedCall:
    """A call before it is made."""

    prices: Prices
    model: str
    input_tokens: int
    """An upper estimate."""
    output_tokens: int | None
    """The most that it may write; None: nobody has set a limit."""
    is_kept_for_an_hour: bool = False
    """By the provider's prompt cache, which may cost more than keeping it for minutes."""
    short_of: str = ""
    """Whose money made it shorter than the agent wanted; empty where it isn't."""

    @cached_property
    def worst(self) -> MicroDollars:
        """What it costs at most."""
        return self._worst(self.output_tokens)

    @cached_property
    def shortest(self) -> MicroDollars:
        """What it costs at most with the shortest answer that is of use."""
        wanted = LEAST_OUTPUT_TOKENS if self.output_tokens is None else self.output_tokens
        return self._worst(min(wanted, LEAST_OUTPUT_TOKENS))

    def within(self, money: MicroDollars, of: str) -> PricedCall | None:
        """This call with the longest answer that money of these pays for; None where that is too short to be of use."""
        if self.worst <= money:
            return self
        tokens = self.prices.output_within(
            self.model, self.input_tokens, money, is_kept_for_an_hour=self.is_kept_for_an_hour
        )
        if tokens < LEAST_OUTPUT_TOKENS or (self.output_tokens is not None and tokens >= self.output_tokens):
            return None
        shorter = replace(self, output_tokens=tokens, short_of=of)
        return shorter if shorter.worst <= money else None

    def _worst(self, output_tokens: int | None) -> MicroDollars:
        return self.prices.worst(
            self.model, self.input_tokens, output_tokens, is_kept_for_an_hour=self.is_kept_for_an_hour
        )
