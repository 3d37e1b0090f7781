"""The tool call that the present code is."""

from __future__ import annotations

from roadworthy.core.scope import surroundings
from roadworthy.domain.effect import StartedCall
from roadworthy.domain.errors import OutsideTask


def current_call() -> StartedCall:
    """The present tool call, with its idempotency key: in a tool, also in one that runs in a thread. OutsideTask
    anywhere else."""
    here = surroundings.get()
    if here is None or here.started is None:
        raise OutsideTask("there is no tool call here: ask for it within a tool, and in no thread or loop of your own")
    return here.started
