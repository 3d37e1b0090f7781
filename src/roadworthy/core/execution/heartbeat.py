"""Keeps a worker's lease, from a thread and a connection of its own: a blocked event loop must not cost it."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import structlog

from roadworthy.core.outage import Outage
from roadworthy.domain.errors import StoreUnavailable
from roadworthy.domain.ids import TaskId, new_id
from roadworthy.domain.lease import Lease
from roadworthy.ports.worker_registry import Worker, WorkerRegistry

Call = Callable[[Callable[[], object]], object]
OpenRegistry = Callable[[], AbstractAsyncContextManager[WorkerRegistry]]
RunBeside = Callable[[Coroutine[Any, Any, None]], Callable[[], Awaitable[object]]]
"""Starts a coroutine beside the event loop that calls it; what it returns waits for the end."""

log = structlog.get_logger()


def in_a_thread(beats: Coroutine[Any, Any, None]) -> Callable[[], Awaitable[object]]:
    thread = threading.Thread(target=asyncio.run, args=(beats,), name="heartbeat", daemon=True)
    thread.start()
    return lambda: asyncio.to_thread(thread.join)


class Heartbeat:
    """Registers the worker and renews its lease every third of it.

    `cancelled` and `lost` are called in the loop that called `start`. After a loss the worker is registered anew:
    `present`, the worker and its lease, are then others.
    """

    def __init__(
        self,
        open_registry: OpenRegistry,
        lanes: Mapping[str, str],
        lease_seconds: float,
        cancelled: Callable[[Sequence[TaskId]], None],
        lost: Callable[[Lease], None],
        run_beside: RunBeside = in_a_thread,
        continued: Mapping[str, str] | None = None,
    ) -> None:
        self._open_registry = open_registry
        self._run_beside = run_beside
        self._lanes = lanes
        self._continued = continued or {}
        self._seconds = lease_seconds
        self._cancelled = cancelled
        self._lost = lost
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Event | None = None
        self._stops = False
        self._withdraws = False
        self._ended: Callable[[], Awaitable[object]] | None = None
        self.present = self._newcomer()

    async def start(self) -> None:
        """Returns once the worker is registered; tries again while the store is away."""
        if self._ended is not None:
            return
        loop, registered = asyncio.get_running_loop(), asyncio.Event()

        def call(function: Callable[[], object]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(function)

        self._ended = self._run_beside(self._beat(call, registered.set))
        await registered.wait()

    def withdraw(self) -> None:
        """Tell the store that the worker takes no more tasks: others may continue its version. The lease goes on."""
        self._withdraws = True
        self._wake()

    async def stop(self) -> None:
        """Deregister the worker: what it still holds may be taken over at once."""
        if self._ended is None:
            return
        self._stops = True
        self._wake()
        await self._ended()

    def _wake(self) -> None:
        if self._loop is not None and self._woken is not None:
            with suppress(RuntimeError):  # its loop is closed: it has ended by itself
                self._loop.call_soon_threadsafe(self._woken.set)

    async def _beat(self, call: Call, registered: Callable[[], object]) -> None:
        self._loop, self._woken = asyncio.get_running_loop(), asyncio.Event()
        outage, ran_out = Outage("heartbeat_failed"), Outage("lease_ran_out", "lease_kept_again")
        async with self._open_registry() as registry:
            at_home = withdrawn = False
            while not self._stops:
                pause = self._seconds / 3
                try:
                    if at_home:
                        at_home = await self._renew(registry, call)
                    if not at_home:
                        await self._register(registry)
                        at_home = True
                        call(registered)
                    if self._withdraws and not withdrawn:
                        await registry.withdraw(self.present[0].id)
                        withdrawn = True
                    outage.is_over()
                    ran_out.is_over()
                except StoreUnavailable as error:
                    outage.goes_on(error.message)
                    if self.present[1].remaining <= 0:
                        ran_out.goes_on(
                            "no act begins before the lease is renewed; nothing is lost unless others take it"
                        )
                    pause = min(pause, 0.5)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), pause)
                self._woken.clear()
            if at_home:
                try:
                    await registry.deregister(self.present[0].id)
                except StoreUnavailable as error:
                    log.warning("deregister_failed", reason=error.message)

    async def _register(self, registry: WorkerRegistry) -> None:
        worker, lease = self.present
        sent = time.monotonic()
        await registry.register(worker, self._seconds)
        lease.renewed(sent)

    async def _renew(self, registry: WorkerRegistry, call: Call) -> bool:
        worker, lease = self.present
        sent = time.monotonic()
        answer = await registry.heartbeat(worker.id, self._seconds)
        if answer is None:
            lease.lose()
            log.error("lease_lost", worker=str(worker.id))
            self.present = self._newcomer()
            call(lambda: self._lost(lease))
            return False
        lease.renewed(sent)
        if answer.cancelled:
            call(lambda: self._cancelled(answer.cancelled))
        return True

    def _newcomer(self) -> tuple[Worker, Lease]:
        lanes: Mapping[str, str] = {} if self._withdraws else self._lanes
        worker = Worker(new_id(), lanes, socket.gethostname(), os.getpid(), self._continued)
        return worker, Lease(self._seconds, time.monotonic)
