"""Time, so that tests and simulations can hold it."""

from typing import Protocol


class Clock(Protocol):
    def time(self) -> float:
        """Seconds since 1970."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump."""
        ...

    async def sleep(self, seconds: float) -> None: ...
