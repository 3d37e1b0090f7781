"""What an operator did to tasks, lanes and charges: who, when, what and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from roadworthy.domain.ids import TaskId
from roadworthy.domain.principal import Principal


class ActionKind(StrEnum):
    RESUME = "resume"
    """A dead task goes on."""
    DISCARD = "discard"
    """A dead task was given up."""
    MOVE = "move"
    """Tasks went to the lane of another version."""
    CORRECT_CHARGE = "correct_charge"
    """An uncertain charge was given its real cost."""
    LABEL = "label"
    """A task was graded, by an operator or an evaluation."""
    CLEAR_CACHE = "clear_cache"
    """Kept replies were forgotten; the detail says of whom."""
    DECIDE = "decide"
    """Somebody else's tool call was decided; the detail says which call and how."""


THE_USERS_OWN = ("input_before", "error")
"""Fields of an action's detail that hold what a user or an agent said: taken out when their session is deleted."""


@dataclass(frozen=True, slots=True)
class ActionTarget:
    """What an action was done to: a task, a lane, or a task of a lane."""

    detail: Mapping[str, Any]
    """JSON object: what was changed, and what it was before."""
    task_id: TaskId | None = None
    lane: str | None = None


@dataclass(frozen=True, slots=True)
class OperatorAction:
    """One action, as it was recorded together with what it changed."""

    id: UUID
    at: float
    """Seconds since 1970, by the store's clock."""
    operator: Principal
    kind: ActionKind
    target: ActionTarget
    note: str | None
    """Why, in the operator's words."""

    def without_words(self) -> OperatorAction:
        """What stays of it when the session is deleted."""
        detail = {name: value for name, value in self.target.detail.items() if name not in THE_USERS_OWN}
        return replace(self, target=replace(self.target, detail=detail))
