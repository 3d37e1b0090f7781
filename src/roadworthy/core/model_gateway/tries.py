"""What the calls of providers within one model call came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from roadworthy.domain.errors import ModelCallFailed
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.money import MicroDollars


@dataclass(frozen=True, slots=True)
class Try:
    """One call of one provider."""

    model: str
    seconds: float
    cost: MicroDollars = 0
    """Of one that failed and whose price nobody knows, nothing: the ledger has its estimate."""
    error: ModelCallFailed | None = None
    is_uncertain: bool = False
    """Nobody knows whether the provider bills it."""
    simplified: bool = False

    @property
    def failure(self) -> FailureClass | None:
        return None if self.error is None else self.error.failure

    @property
    def detail(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "model": self.model,
            "failure": self.failure,
            "seconds": round(self.seconds, 3),
            "cost": self.cost,
        }
        if self.is_uncertain:
            shown["uncertain"] = True
        if self.simplified:
            shown["simplified"] = True
        return shown


def all_failed(tries: Sequence[Try]) -> ModelCallFailed:
    """One error for all of them: of a class that is tried again later, if there is one, else of the last model."""
    errors = [one.error for one in tries if one.error is not None]
    retried = [error for error in errors if error.failure.is_retried]
    telling = (retried or errors)[-1]
    if len({one.model for one in tries}) == 1:
        return telling
    wishes = [error.retry_after for error in retried]
    retry_after = None if None in wishes else min((wish for wish in wishes if wish is not None), default=None)
    failed = ModelCallFailed(
        f"no model answered: {_each_in_words(tries)}; at last {telling.message}",
        telling.failure,
        retry_after=retry_after,
    )
    failed.__cause__ = telling.__cause__
    return failed


def _each_in_words(tries: Sequence[Try]) -> str:
    """Each model with what went wrong with it last, in the order in which they were called."""
    last = {one.model: one for one in tries}
    counts = [sum(one.model == model for one in tries) for model in last]
    return "; ".join(
        f"{model}: {one.error.failure.treatment.what}" + (f" ({count} calls)" if count > 1 else "")
        for (model, one), count in zip(last.items(), counts, strict=True)
        if one.error is not None
    )
