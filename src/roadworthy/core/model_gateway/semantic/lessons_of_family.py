"""What is known of one agent's requests in this process: the store's sums, and what it was not told yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from roadworthy.core.model_gateway.semantic.learnt_thresholds import Lessons
from roadworthy.ports.similar_replies import SimilarReplies

MOST_REQUESTS: Final = 50_000
"""Of which lessons are kept; beyond, old ones count for half."""
TOLD_EVERY: Final = 2.0
"""Seconds, about."""
_THRESHOLD_KEPT_FOR: Final = 16
"""Requests."""


class FamilyLessons:
    """Requests of one version of one agent for one tenant: whatever place they have, they teach the same."""

    def __init__(self, store: SimilarReplies, family: bytes, clock: Callable[[], float]) -> None:
        self._store = store
        self._family = family
        self._clock = clock
        self._known: Lessons | None = None
        self._untold = Lessons()
        self._told_at = clock()
        self._telling = asyncio.Lock()
        self._threshold = (0, 0.0, 0)

    async def load(self) -> None:
        """Ask the store once. Raises StoreUnavailable."""
        if self._known is None:
            counts = await self._store.learn(self._family, [], MOST_REQUESTS)
            if self._known is None:
                self._known = Lessons.of(counts)

    def came(self, place: int | None) -> None:
        """A request, with the place of the reply that it might get; None: there is no such reply."""
        for lessons in self._both():
            lessons.requests += 1
            if place is not None:
                lessons.came[place] += 1

    def compared(self, place: int, same: bool) -> None:
        """The kept reply with a new one."""
        for lessons in self._both():
            lessons.compared[place] += 1
            lessons.differed[place] += not same

    def threshold(self, error_budget: float) -> int:
        """The lowest place that may answer now."""
        known = self._known or Lessons()
        requests, budget, threshold = self._threshold
        if budget != error_budget or not 0 <= known.requests - requests < _THRESHOLD_KEPT_FOR:
            threshold = known.threshold(error_budget)
            self._threshold = (known.requests, error_budget, threshold)
        return threshold

    @property
    def is_due(self) -> bool:
        return self._clock() - self._told_at >= TOLD_EVERY

    async def tell(self) -> None:
        """Add to the store's sums what they lack, and take over what others have added. Raises StoreUnavailable: then
        it is told the next time, which after a lost acknowledgement counts some requests twice and harms nothing."""
        async with self._telling:
            self._told_at = self._clock()
            untold = self._untold
            if not any(untold.counts()):
                return
            self._untold = Lessons()
            try:
                counts = await self._store.learn(self._family, untold.counts(), MOST_REQUESTS)
            except BaseException:
                self._untold.add(untold)
                raise
            self._known = Lessons.of(counts)
            # What came meanwhile.
            self._known.add(self._untold)
            self._threshold = (0, 0.0, 0)

    def _both(self) -> tuple[Lessons, ...]:
        return (self._untold,) if self._known is None else (self._untold, self._known)
