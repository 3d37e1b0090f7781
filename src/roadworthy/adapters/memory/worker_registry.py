"""Workers and their leases in memory."""

from __future__ import annotations

from uuid import UUID

from roadworthy.adapters.memory.database import ENDED, MemoryDatabase, WorkerRow
from roadworthy.domain.task import TaskStatus
from roadworthy.ports.worker_registry import Heartbeat, Worker


class MemoryWorkerRegistry:
    """A `WorkerRegistry` over a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def register(self, worker: Worker, lease_seconds: float) -> None:
        def register() -> None:
            until = self._database.now() + lease_seconds
            self._database.workers[worker.id] = WorkerRow(worker, lease_until=until)

        await self._database.run("worker_registry.register", register)

    async def heartbeat(self, worker_id: UUID, lease_seconds: float) -> Heartbeat | None:
        def heartbeat() -> Heartbeat | None:
            worker = self._database.workers.get(worker_id)
            if worker is None or worker.lease_until == ENDED:
                return None
            worker.lease_until = self._database.now() + lease_seconds
            running = self._database.with_status(TaskStatus.RUNNING)
            return Heartbeat([row.id for row in running if row.worker_id == worker_id and row.cancel_requested])

        return await self._database.run("worker_registry.heartbeat", heartbeat)

    async def deregister(self, worker_id: UUID) -> None:
        def deregister() -> None:
            self._database.workers.pop(worker_id, None)

        await self._database.run("worker_registry.deregister", deregister)

    async def end_all_leases(self) -> None:
        def end_all_leases() -> None:
            for worker in self._database.workers.values():
                worker.lease_until = ENDED

        await self._database.run("worker_registry.end_all_leases", end_all_leases)
