"""Waiting for events, never for time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SECONDS = 60.0
"""A deadline for what should have happened long before."""


class Watched:
    """Something that changes, and tells those who wait for it."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()

    def changed(self) -> None:
        for waiting in self._waiting:
            waiting.set()

    async def until(self, condition: Callable[[], T], what: str, seconds: float = SECONDS) -> T:
        """What `condition` gives as soon as that is true; it is asked again at every change."""
        news = asyncio.Event()
        self._waiting.add(news)
        try:
            async with asyncio.timeout(seconds):
                while not (value := condition()):
                    news.clear()
                    await news.wait()
                return value
        except TimeoutError:
            raise AssertionError(f"did not happen within {seconds:g} s: {what}; {self.present_state()}") from None
        finally:
            self._waiting.discard(news)

    def present_state(self) -> str:
        """What a failed wait says besides."""
        return repr(self)
