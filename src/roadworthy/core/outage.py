"""Tells the log of something that lasts: once when it begins, rarely while it goes on, once when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import structlog

SAID_AGAIN_SECONDS = 60.0

log = structlog.get_logger()


class Outage:
    """One kind of it in one process: `event` names its beginning, `over` its end.

    It may befall several, each with a name: it begins with the first of them and is over with the last.
    """

    def __init__(
        self,
        event: str,
        over: str = "store_back",
        level: Literal["warning", "error"] = "warning",
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._event = event
        self._over = over
        self._level = level
        # Looked up when it is called: simulations put another clock there.
        self._clock = clock or (lambda: time.monotonic())
        self._befallen = set[str]()
        self._began = 0.0
        self._said = 0.0

    def goes_on(self, reason: str, name: str = "", **facts: object) -> None:
        now = self._clock()
        begins = not self._befallen
        self._befallen.add(name)
        if begins:
            self._began = now
        elif now - self._said < SAID_AGAIN_SECONDS:
            return
        else:
            facts["for_seconds"] = round(now - self._began)
        self._said = now
        say = log.error if self._level == "error" else log.warning
        say(self._event, reason=reason, **facts)

    def is_over(self, name: str = "") -> None:
        """Cheap, and nothing is said, where it had not begun."""
        if name not in self._befallen:
            return
        self._befallen.discard(name)
        if not self._befallen:
            log.info(self._over, after=self._event, away_seconds=round(self._clock() - self._began, 1))
