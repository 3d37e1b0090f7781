"""What upkeep does to tasks that nobody is looking after. Every method is safe to run at the same time twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from roadworthy.domain.task import Task


class TaskUpkeep(Protocol):
    async def rescue_expired_leases(self, max_retries: int, limit: int, apart_seconds: float = 30) -> Sequence[Task]:
        """Take running tasks away from workers whose lease ran out.

        Each counts a failure and goes back to `queued`; one with a cancel request ends `cancelled`. One with more than
        `max_retries` failures ends `dead` if it alone of the worker's tasks was lost before, since its journal grew
        last, or if `max_retries` is 0. Returns them and the session tasks they released.

        Any of several that were lost before may be the one that brings workers down: the half of them that was lost
        more often waits for `apart_seconds` before it may be claimed again, and as much longer until it expires.
        """
        ...

    async def release_due_tasks(self, limit: int) -> Sequence[Task]:
        """Make queued tasks claimable whose `run_after` has come."""
        ...

    async def release_blocked_tasks(self, limit: int) -> Sequence[Task]:
        """Queue the next task of sessions that are free although they have blocked tasks."""
        ...

    async def expire_tasks(self, limit: int) -> Sequence[Task]:
        """End blocked, queued and waiting tasks whose time is over; returns them and what they released."""
        ...

    async def lanes_with_work(self) -> Sequence[str]:
        """Lanes that have a claimable task."""
        ...
