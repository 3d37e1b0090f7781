"""What the task that runs here may still use."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy.core.money.purse import NO_LIMIT
from roadworthy.core.scope import surroundings
from roadworthy.domain.errors import OutsideTask
from roadworthy.domain.money import dollars


@dataclass(frozen=True, slots=True)
class Remaining:
    """What a task may still use of its limits."""

    cost_usd: str | None
    """Dollars as an exact decimal, without what is held for calls under way; None where the task has no such limit."""
    steps: int
    """Model calls."""
    seconds: float
    """Of running time."""


def remaining() -> Remaining:
    """What the present task may still use: in its tools (also those that run in threads), instructions functions and
    plain functions. OutsideTask anywhere else.

    It may be less after a crash than it was before. So let what an agent *does* next depend on it within a tool or
    through the model, whose results are kept, and not in the agent's own code.
    """
    here = surroundings.get()
    if here is None:
        raise OutsideTask
    attempt = here.gate.attempt
    left = None if attempt.purse.limit == NO_LIMIT else dollars(attempt.purse.left)
    return Remaining(left, attempt.steps_left, round(attempt.seconds_left, 3))
