"""The state of circuit breakers, shared by all workers. What it loses, workers learn again by failing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

FORGOTTEN_SECONDS = 3600
"""After that a failure says nothing any more. No breaker stays open for longer."""


@dataclass(frozen=True, slots=True)
class BreakerState:
    """Of one target, such as a model."""

    failures: int = 0
    """In a row."""
    open_seconds: float = 0.0
    """Until it lets one probe through; 0 where it is closed or half open."""

    is_open: bool = False
    """Opened and not yet closed by a success: with `open_seconds` 0 it is half open."""


class Breakers(Protocol):
    """Methods raise BrokerUnavailable."""

    async def failed(self, target: str, threshold: int, seconds: float) -> BreakerState:
        """Count a failure; the `threshold`-th in a row opens it for `seconds`, and so does each one while half open."""
        ...

    async def succeeded(self, target: str) -> None:
        """Close it and forget its failures."""
        ...

    async def probe(self, target: str, seconds: float) -> bool:
        """Ask for the one probe of a half-open breaker: True for one caller within `seconds`, over all workers."""
        ...

    async def states(self) -> dict[str, BreakerState]:
        """Of all targets that have failed within the last `FORGOTTEN_SECONDS` and not succeeded since."""
        ...

    async def close(self) -> None: ...
