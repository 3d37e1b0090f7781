"""Which workers live, what they serve, and until when they may act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from roadworthy.domain.ids import TaskId


@dataclass(frozen=True, slots=True)
class Worker:
    id: UUID
    """New at every registration: a worker that lost its lease comes back as another one."""
    lanes: Mapping[str, str]
    """Lane → digest of the agent's code."""
    host: str
    process_id: int
    continued: Mapping[str, str] = field(default_factory=dict[str, str])
    """Those lanes among them that belong to an older version → the version that its code is of. It gets tasks of
    such a lane only while no worker of that version takes any."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The lease was extended. `cancelled` are the worker's running tasks that somebody cancelled."""

    cancelled: Sequence[TaskId]


class WorkerRegistry(Protocol):
    async def register(self, worker: Worker, lease_seconds: float) -> None:
        """Give the worker its first lease. Changes nothing once that was ended: it comes back as another one."""
        ...

    async def heartbeat(self, worker_id: UUID, lease_seconds: float) -> Heartbeat | None:
        """Extend the lease, also one that ran out and that nobody ended yet (the store may have been away).

        None if it was ended, by a rescue of the worker's tasks or by itself: it must stop acting for its tasks.
        """
        ...

    async def withdraw(self, worker_id: UUID) -> None:
        """The worker takes no more tasks from any lane; its lease goes on."""
        ...

    async def deregister(self, worker_id: UUID) -> None:
        """The worker has ended; what it still held may be rescued at once."""
        ...

    async def end_all_leases(self) -> None:
        """Every registered worker is gone for certain (the store was exclusively ours and is just starting)."""
        ...
