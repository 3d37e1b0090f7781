"""Where a dead task stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from roadworthy.core.insight.effects import unanswered_calls
from roadworthy.domain.task import Task


@dataclass(frozen=True, slots=True)
class FailedStep:
    """The model call of that number failed or did not come back; or, where there is a tool, its call after it."""

    generation: int
    step: int
    tool: str | None = None


def failed_step(task: Task, steps: Sequence[Mapping[str, Any]]) -> FailedStep:
    """As the error says or, where it does not, from what the journal (`steps_of`) lacks."""
    error: dict[str, Any] = orjson.loads(task.error) if task.error else {}
    if isinstance(number := error.get("step"), int):
        return FailedStep(task.generation, number, error.get("tool"))
    present = [step for step in steps if step["generation"] == task.generation]
    if not present:
        return FailedStep(task.generation, 1)
    last = present[-1]
    if unanswered := unanswered_calls(last):
        return FailedStep(task.generation, last["step"], unanswered[0].get("tool"))
    return FailedStep(task.generation, last["step"] + 1)
