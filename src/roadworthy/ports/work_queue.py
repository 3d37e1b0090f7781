"""Wakes workers. A ticket says "there is work in this lane": it is no task and no count, and may be lost."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol


class WorkQueue(Protocol):
    async def post(self, lanes: Collection[str]) -> None:
        """One ticket for each lane; each wakes one waiting worker."""
        ...

    async def wait(self, lanes: Collection[str], seconds: float) -> bool:
        """Take the tickets of these lanes, waiting up to `seconds` for the first; False if none came."""
        ...

    async def close(self) -> None: ...
