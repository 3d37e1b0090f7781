"""What one task may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import inf

from roadworthy.domain.money import MicroDollars, micro_dollars


@dataclass(frozen=True, slots=True)
class Limits:
    """What one task may use before it ends `partial` (or `expired`, for time spent not running).

    `steps` counts model calls. `step_seconds` bounds one call of a model's provider, `first_token_seconds` the wait for
    the first piece of its answer (where it streams), `total_seconds` the running time over all attempts,
    `queue_seconds` the wait for a worker, `waiting_seconds` the wait for a person. `parallel_tools` is how many tool
    calls of one task run at once. `cost_usd` 0 is no limit. Raises ValueError for a limit that is not above zero.
    """

    steps: int = 15
    step_seconds: float = 30
    total_seconds: float = 180
    cost_usd: str = "0.25"
    queue_seconds: float = 600
    waiting_seconds: float = 604_800
    first_token_seconds: float = 20
    parallel_tools: int = 16

    def __post_init__(self) -> None:
        for name, count in (("steps", self.steps), ("parallel_tools", self.parallel_tools)):
            if isinstance(count, bool) or not isinstance(count, int):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ValueError(f"limits.{name} must be a whole number, not {count!r}")
        for field in fields(self):
            value: object = getattr(self, field.name)
            if field.name == "cost_usd":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"limits.{field.name} must be a number, not {value!r}")
            if not 0 < value < 1e9:
                raise ValueError(f"limits.{field.name} must be above zero and below a billion, not {value!r}")
        if not isinstance(self.cost_usd, str | int | float):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"limits.cost_usd must be an amount like '0.25', not {self.cost_usd!r}")
        try:
            micro_dollars(self.cost_usd)
        except ValueError as error:
            raise ValueError(f"limits.cost_usd: {error}") from None
        object.__setattr__(self, "cost_usd", str(self.cost_usd))

    @property
    def cost(self) -> MicroDollars:
        return micro_dollars(self.cost_usd)

    def changed(self, wanted: Mapping[str, object]) -> Limits:
        """These limits with some of them as wanted; ValueError for one that is unknown or makes no sense."""
        known = {field.name for field in fields(self)}
        for name in wanted:
            if name not in known:
                raise ValueError(f"limits.{name} is not known; there are {', '.join(sorted(known))}")
        return replace(self, **wanted)  # pyright: ignore[reportArgumentType]

    def lowered(self, wanted: Mapping[str, object]) -> Limits:
        """These limits with some of them lowered by the caller of a task; ValueError if one is raised."""
        changed = self.changed(wanted)
        for name in wanted:
            before, after = getattr(self, name), getattr(changed, name)
            if name == "cost_usd":
                before, after = self.cost or inf, changed.cost
            if after > before:
                raise ValueError(f"limits.{name} can be lowered for a task, not raised above {getattr(self, name)}")
        return changed
