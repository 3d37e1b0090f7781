"""Workers and their leases in PostgreSQL, by its clock."""

from __future__ import annotations

from uuid import UUID

from roadworthy.adapters.postgres import rows
from roadworthy.adapters.postgres.failures import translated
from roadworthy.adapters.postgres.pool import Pool
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.ports.worker_registry import Heartbeat, Worker


class PostgresWorkerRegistry:
    """A `WorkerRegistry`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("worker_registry")

    @translated
    async def register(self, worker: Worker, lease_seconds: float) -> None:
        await self._pool.fetch(
            self._queries["register"],
            worker.id,
            rows.json_text(_lanes(worker)),
            worker.host,
            worker.process_id,
            lease_seconds,
        )

    @translated
    async def heartbeat(self, worker_id: UUID, lease_seconds: float) -> Heartbeat | None:
        found = await self._pool.fetch(self._queries["heartbeat"], worker_id, lease_seconds)
        return Heartbeat(found[0][1]) if found else None

    @translated
    async def withdraw(self, worker_id: UUID) -> None:
        await self._pool.fetch(self._queries["withdraw"], worker_id)

    @translated
    async def deregister(self, worker_id: UUID) -> None:
        await self._pool.fetch(self._queries["deregister"], worker_id)

    @translated
    async def end_all_leases(self) -> None:
        await self._pool.fetch(self._queries["end_all_leases"])


def _lanes(worker: Worker) -> dict[str, object]:
    """Lane → digest of the code, for a lane of an older version with the version that the code is of."""
    return {
        lane: {"code": code, "version": worker.continued[lane]} if lane in worker.continued else code
        for lane, code in worker.lanes.items()
    }
