"""Where the queue of each lane begins.

Claimed tasks stay at the front of the index until a vacuum removes them, and none can while somebody holds an old
snapshot, as a backup does. A claim that began at the very front would step over all of them, each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

LOOK_SECONDS: Final = 1.0
"""How often a claim begins at the very front, for what was committed late or put back there."""
MARGIN: Final = 200
"""Tags below the highest one claimed that a claim looks at in any case: submissions that are just being committed."""


class QueueFront:
    """What one process has seen of it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._looked: dict[str, float] = {}
        self._begins: dict[str, int] = {}
        self._highest_claimed: dict[str, dict[int, int]] = {}
        """By lane and priority: each of these has tags of its own."""

    def begins(self, lanes: Sequence[str]) -> list[int]:
        """The tag from which on a claim looks in each of the lanes; 0 is the very front."""
        now = self._monotonic()
        if any(now - self._looked.get(lane, -LOOK_SECONDS) >= LOOK_SECONDS for lane in lanes):
            for lane in lanes:
                self._looked[lane] = now
                highest = min(self._highest_claimed.get(lane, {0: 0}).values())
                self._begins[lane] = max(0, highest - MARGIN)
            return [0] * len(lanes)
        return [self._begins[lane] for lane in lanes]

    def claimed(self, lane: str, priority: int, tag: int) -> None:
        """A task was."""
        highest = self._highest_claimed.setdefault(lane, {})
        highest[priority] = max(tag, highest.get(priority, 0))
