"""What a tool does to the world, and how anybody can know afterwards whether it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How a tool call ended, as far as is known: `outcome` in the journal, in steps and in events."""

    DONE = "done"
    NOT_DONE = "not_done"
    """It did not happen, and will not: the tool, its `reconcile` function or a person said so."""
    FAILED = "failed"
    """The tool told the model what is wrong."""
    DENIED = "denied"
    """A person did not allow it."""
    FALLBACK = "fallback"
    """The tool failed, and its policy's fallback answered."""


class NotDone(Exception):
    """Raise it in a tool, or raise or return it in a `reconcile` function: it certainly did not happen, and will not.

    The model is told, with the reason, and may ask again; that call gets the same idempotency key.
    """


@dataclass(frozen=True, slots=True)
class Done:
    """What a `reconcile` function returns: it happened, and this is what the tool would have returned."""

    result: Any = None


@dataclass(frozen=True, slots=True)
class StartedCall:
    """A tool call, as the tool itself and its `reconcile` function may see it."""

    tool: str
    arguments: Mapping[str, Any]
    """As JSON types."""
    idempotency_key: str
    """The same whenever this same effect is meant: after a crash, at a retry, when the model asks again. It is made of
    the task, its generation, the tool, the arguments, and which of several equal calls this is."""
    task_id: str
    session_id: str
    tenant: str
    user: str
    call_id: str
    """The call's key in the task's journal, under which people decide about it."""
    attempt: int
    """Of the task, that started it."""
    started_at: float
    """Seconds since 1970."""
