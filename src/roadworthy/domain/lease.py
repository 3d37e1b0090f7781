"""A worker's right to act for the tasks it claimed, by the worker's own clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Lease:
    """Runs out `seconds` after the last heartbeat was *sent*: never later than the store believes.

    Shared between the heartbeat thread, which renews it, and the event loop, which checks it.
    """

    seconds: float
    now: Callable[[], float] = time.monotonic
    _until: float = field(default=0.0, init=False)

    def renewed(self, sent_at: float) -> None:
        """A heartbeat that was sent at `sent_at` was accepted."""
        self._until = max(self._until, sent_at + self.seconds)

    def lose(self) -> None:
        self._until = float("-inf")

    @property
    def is_lost(self) -> bool:
        """For good: somebody else has ended it."""
        return self._until == float("-inf")

    @property
    def remaining(self) -> float:
        """Asked immediately before every act that others can see: at 0 or below nobody may act."""
        return self._until - self.now()
