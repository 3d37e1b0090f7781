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
            now = self._database.now()
            known = self._database.workers.get(worker.id)
            if known is not None and known.lease_until == ENDED:
                return  # it arrived late: the worker's tasks are others' by now
            started_at = now if known is None else known.started_at
            self._database.workers[worker.id] = WorkerRow(worker, now + lease_seconds, started_at, last_seen=now)

        await self._database.run("worker_registry.register", register)

    async def heartbeat(self, worker_id: UUID, lease_seconds: float) -> Heartbeat | None:
        def heartbeat() -> Heartbeat | None:
            worker = self._database.workers.get(worker_id)
            if worker is None or worker.lease_until == ENDED:
                return None
            worker.last_seen = self._database.now()
            worker.lease_until = worker.last_seen + lease_seconds
            running = self._database.with_status(TaskStatus.RUNNING)
            return Heartbeat([row.id for row in running if row.worker_id == worker_id and row.cancel_requested])

        return await self._database.run("worker_registry.heartbeat", heartbeat)

    async def withdraw(self, worker_id: UUID) -> None:
        def withdraw() -> None:
            if worker := self._database.workers.get(worker_id):
                worker.withdrawn = True

        await self._database.run("worker_registry.withdraw", withdraw)

    async def deregister(self, worker_id: UUID) -> None:
        def deregister() -> None:
            if worker := self._database.workers.get(worker_id):
                worker.last_seen = self._database.now()
            self._database.end_lease(worker_id)

        await self._database.run("worker_registry.deregister", deregister)

    async def end_all_leases(self) -> None:
        def end_all_leases() -> None:
            for worker in self._database.workers.values():
                worker.lease_until = ENDED

        await self._database.run("worker_registry.end_all_leases", end_all_leases)
