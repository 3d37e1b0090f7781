"""What may go wrong on the way to the store or the broker and back."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

from roadworthy.domain.errors import BrokerUnavailable, RoadworthyError, StoreUnavailable
from roadworthy.ports.clock import Clock

T = TypeVar("T")
Applied = Literal["never", "lost", "late"]

_BROKER = ("work_queue.", "event_log.", "cancel_signals.", "cache.", "breakers.")


class Faults(Protocol):
    async def around(self, operation: str, apply: Callable[[], T]) -> T:
        """Carry out one call, named like `task_store.submit`.

        `apply` does all of it at once. It may be called before an error is raised (a lost acknowledgement), not
        at all, or after the caller was told that it failed; never twice.
        """
        ...


class NoFaults:
    """Every call arrives and is answered; others run before and after it, as with a real connection."""

    async def around(self, operation: str, apply: Callable[[], T]) -> T:
        await asyncio.sleep(0)
        result = apply()
        await asyncio.sleep(0)
        return result


class PlannedFaults:
    """Fails the next calls of the named operations as planned; all others go through."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._plans: dict[str, deque[tuple[Applied, float]]] = defaultdict(deque)
        self._late: set[asyncio.Task[None]] = set()

    def plan(self, operation: str, applied: Applied, seconds: float = 0) -> None:
        """Make the next unplanned call of `operation` fail as unavailable.

        `never`: nothing happened. `lost`: it happened, only the answer is missing. `late`: it happens `seconds`
        after the caller was told that it failed.
        """
        self._plans[operation].append((applied, seconds))

    async def around(self, operation: str, apply: Callable[[], T]) -> T:
        await asyncio.sleep(0)
        if not self._plans[operation]:
            result = apply()
            await asyncio.sleep(0)
            return result
        applied, seconds = self._plans[operation].popleft()
        if applied == "lost":
            apply()
        elif applied == "late":
            late = asyncio.create_task(self._apply_late(seconds, apply))
            self._late.add(late)
            late.add_done_callback(self._late.discard)
        await asyncio.sleep(0)
        raise unavailable(operation)

    async def _apply_late(self, seconds: float, apply: Callable[[], object]) -> None:
        await self._clock.sleep(seconds)
        try:
            apply()
        except RoadworthyError:
            return  # its caller has gone; a real server tells nobody either


def unavailable(operation: str) -> RoadworthyError:
    """The error that a caller of `operation` gets while its server is away."""
    return BrokerUnavailable() if operation.startswith(_BROKER) else StoreUnavailable()
