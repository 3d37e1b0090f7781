"""Tickets in memory."""

from __future__ import annotations

from collections.abc import Collection

from roadworthy.adapters.memory.broker import MemoryBroker, WaitingWorker


class MemoryWorkQueue:
    """A `WorkQueue` over a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def post(self, lanes: Collection[str]) -> None:
        def post() -> None:
            for lane in lanes:
                self._post(lane)

        await self._broker.run("work_queue.post", post)

    async def wait(self, lanes: Collection[str], seconds: float) -> bool:
        worker = WaitingWorker(lanes=frozenset(lanes))

        def take_or_wait() -> bool:
            taken = worker.lanes & self._broker.tickets
            self._broker.tickets -= taken
            if not taken:
                self._broker.waiting_workers.append(worker)
            return bool(taken)

        try:
            if await self._broker.run("work_queue.wait", take_or_wait):
                return True
            return await self._broker.wait_for(worker, seconds)
        finally:
            if worker in self._broker.waiting_workers:
                self._broker.waiting_workers.remove(worker)

    async def close(self) -> None:
        """Nothing to close: the broker is not this queue's own."""

    def _post(self, lane: str) -> None:
        for worker in self._broker.waiting_workers:
            if lane in worker.lanes:
                worker.arrived.set()
                self._broker.waiting_workers.remove(worker)
                return
        self._broker.tickets.add(lane)
