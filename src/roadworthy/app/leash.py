"""A supervised worker's side of the socket between it and its supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog

from roadworthy.app.worker_report import BEAT_SECONDS, WorkerReport
from roadworthy.core.execution.heartbeat import OpenRegistry
from roadworthy.ports.worker_registry import Heartbeat, Worker, WorkerRegistry

MOST_NAMES = 5

log = structlog.get_logger()


class Leash:
    """Tells the supervisor that this process lives, and ends the process when the supervisor is gone."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._report = WorkerReport()
        self._sending = threading.Lock()

    def watch(self, patience: float) -> None:
        """When the supervisor is gone: ask this process to drain, and end it if it has not after `patience` seconds.

        From a thread: an event loop that stands still must not keep an orphan alive.
        """
        threading.Thread(target=self._watch, args=(patience,), name="leash", daemon=True).start()

    async def beat(self, running: Callable[[], int], stop: asyncio.Event) -> None:
        """Tell how many tasks run, every second for as long as the event loop comes round."""
        while True:
            drains = {"state": "draining"} if stop.is_set() else {}
            self._tell(running=running(), from_loop=True, **drains)
            await asyncio.sleep(BEAT_SECONDS)

    def say(self, last_words: str) -> None:
        self._tell(last_words=last_words, from_loop=False)

    def announcing(self, open_registry: OpenRegistry) -> OpenRegistry:
        """The same registry, which tells the supervisor each name before it is registered, and that it was.

        A lease of which the supervisor does not know could not be ended when this process has died.
        """

        @asynccontextmanager
        async def open_announcing() -> AsyncGenerator[WorkerRegistry]:
            async with open_registry() as registry:
                yield _AnnouncingRegistry(registry, self._announce, self._ready)

        return open_announcing

    def _announce(self, worker: UUID) -> None:
        self._tell(workers=(*self._report.workers, worker)[-MOST_NAMES:], from_loop=False)

    def _ready(self) -> None:
        if self._report.state == "starting":
            self._tell(state="ready", from_loop=False)

    def _tell(self, **changed: Any) -> None:
        with self._sending, suppress(OSError):
            self._report = replace(self._report, **changed)
            # A line is small, so it goes out whole or not at all; what does not go out is said again with the next.
            self._socket.send(self._report.line(), socket.MSG_DONTWAIT)

    def _watch(self, patience: float) -> None:
        with suppress(OSError):
            while self._socket.recv(64):
                pass
        log.error("supervisor_lost", advice="this worker hands over what it runs, and ends")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(patience)
        log.error("orphan_ended", reason=f"it had not handed over what it runs after {patience:g} s")
        os._exit(1)


class _AnnouncingRegistry:
    """A `WorkerRegistry`."""

    def __init__(
        self, registry: WorkerRegistry, announce: Callable[[UUID], object], registered: Callable[[], object]
    ) -> None:
        self._registry = registry
        self._announce = announce
        self._registered = registered

    async def register(self, worker: Worker, lease_seconds: float) -> None:
        self._announce(worker.id)
        await self._registry.register(worker, lease_seconds)
        self._registered()

    async def heartbeat(self, worker_id: UUID, lease_seconds: float) -> Heartbeat | None:
        return await self._registry.heartbeat(worker_id, lease_seconds)

    async def withdraw(self, worker_id: UUID) -> None:
        await self._registry.withdraw(worker_id)

    async def deregister(self, worker_id: UUID) -> None:
        await self._registry.deregister(worker_id)

    async def end_all_leases(self) -> None:
        await self._registry.end_all_leases()
