"""Something that calls can do without is away: it is asked again once a second, by one of them."""

from __future__ import annotations

import time
from collections.abc import Callable

from roadworthy.core.outage import Outage

PAUSE_SECONDS = 1.0


class Absence:
    """`event` tells the log of its beginning, `over` of its end."""

    def __init__(self, event: str, over: str, clock: Callable[[], float] | None = None) -> None:
        # Looked up when it is called: simulations put another clock there.
        self._clock = clock or (lambda: time.monotonic())
        self._outage = Outage(event, over, clock=self._clock)
        self._is_away = False
        self._asked_again_at = 0.0

    def may_ask(self) -> bool:
        """Whether this caller may try it: everybody while it is there, one a second while it is away."""
        if not self._is_away:
            return True
        if (now := self._clock()) < self._asked_again_at:
            return False
        self._asked_again_at = now + PAUSE_SECONDS
        return True

    def goes_on(self, reason: str) -> None:
        self._is_away = True
        self._asked_again_at = self._clock() + PAUSE_SECONDS
        self._outage.goes_on(reason)

    def is_over(self) -> None:
        if self._is_away:
            self._is_away = False
            self._outage.is_over()
