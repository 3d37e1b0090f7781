"""Keeps as many worker processes running as are wanted, and replaces those that end or stand still."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from roadworthy.app.silence import Silence
from roadworthy.app.start_backoff import StartBackoff
from roadworthy.app.worker_child import WorkerChild
from roadworthy.core.execution.scaling import Workforce
from roadworthy.domain.errors import RoadworthyError, StoreUnavailable, WorkersNotStarting
from roadworthy.ports.worker_registry import WorkerRegistry

TICK_SECONDS = 0.5
START_SECONDS = 120.0
"""Importing an agent may load a model from the disk."""
STUCK_PATIENCE_SECONDS = 2.0
STABLE_SECONDS = 10.0
"""A worker that ended sooner after it was ready, whether by itself, by a task or killed as stuck, ended early."""
STARTS_TRIED = 3
"""So many crashes at the start, and no worker that was ever ready: something is wrong that waiting will not mend."""
END_LEASE_SECONDS = 5.0

log = structlog.get_logger()

Spawn = Callable[[Callable[[], object]], Awaitable[WorkerChild]]


@dataclass(frozen=True, slots=True)
class SupervisorSettings:
    minimum: int
    maximum: int
    slots: int
    """Of each worker."""
    started_at_once: int
    silent_seconds: float
    """An event loop that has not come round for so long is stuck."""
    drain_patience: float
    lease_seconds: float


class Supervisor:
    """`run` returns when it was asked to stop and every worker has drained."""

    def __init__(self, spawn: Spawn, registry: WorkerRegistry, settings: SupervisorSettings) -> None:
        self._spawn = spawn
        self._registry = registry
        self._settings = settings
        self.wanted = settings.minimum
        self._children: list[WorkerChild] = []
        self._background: set[asyncio.Task[Any]] = set()
        self._news = asyncio.Event()
        self._silence = Silence(settings.silent_seconds, time.monotonic())
        self._was_ready = False
        self._backoff = StartBackoff()

    async def run(self, stop: asyncio.Event) -> None:
        """WorkersNotStarting if no worker can be started at all."""
        stopped = asyncio.create_task(stop.wait())
        stopped.add_done_callback(lambda _: self._news.set())
        log.info("supervisor_started", minimum=self._settings.minimum, maximum=self._settings.maximum)
        try:
            while not stop.is_set():
                self._look_after()
                await self._match()
                await self._next()
            await self._drain_all()
        finally:
            stopped.cancel()
            await self._end_all()

    # What others may ask

    @property
    def workforce(self) -> Workforce:
        working = [child for child in self._children if child.working]
        ready = [child for child in working if child.state == "ready"]
        return Workforce(
            wanted=self.wanted,
            working=len(working),
            settled=len(ready) == self.wanted,
            present=len(self._children),
            full=all(child.report.running >= self._settings.slots for child in ready),
            slots=self._settings.slots,
        )

    @property
    def registered(self) -> int:
        """How many of our workers the store counts: one that drains has withdrawn."""
        return sum(child.state == "ready" for child in self._children)

    def want(self, number: int, reason: str) -> None:
        log.info("workers_wanted", before=self.wanted, now=number, reason=reason)
        self.wanted = number
        self._news.set()

    async def check(self) -> None:
        """Raises while workers are wanted and none is ready."""
        states = [child.state for child in self._children]
        if self.wanted and "ready" not in states:
            there = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states))) or "there is none"
            raise RoadworthyError(f"no worker is ready: {there}")

    def shown(self) -> dict[str, Any]:
        """For people and programs that ask for its health."""
        workers = [
            {"pid": child.pid, "state": child.state, "running": child.report.running, "slots": self._settings.slots}
            for child in self._children
        ]
        return {"wanted": self.wanted, "workers": workers}

    # Looking after the workers

    def _look_after(self) -> None:
        self._was_ready = self._was_ready or any(child.ready_at is not None for child in self._children)
        for child in [child for child in self._children if child.exit_code is not None]:
            self._bury(child)
        self._find_stuck()
        now = time.monotonic()
        for child in self._children:
            if child.kill_at is not None and now >= child.kill_at:
                log.error("worker_killed", pid=child.pid, state=child.state)
                child.kill()

    def _find_stuck(self) -> None:
        now = time.monotonic()
        self._silence.look(now)
        for child in self._children:
            silent = self._silence.seconds(now, child.heard_at)
            if child.stuck:
                if silent < STUCK_PATIENCE_SECONDS / 2:
                    child.take_back(self._settings.drain_patience)
            elif silent > (self._settings.silent_seconds if child.loop_runs else START_SECONDS):
                log.error(
                    "worker_stuck",
                    pid=child.pid,
                    seconds=round(silent, 1),
                    # Not how many tasks it runs: what it told last is from before it stood still.
                    advice="its event loop does not come round; it is replaced",
                )
                child.give_up(STUCK_PATIENCE_SECONDS)

    def _bury(self, child: WorkerChild) -> None:
        self._children.remove(child)
        if child.report.workers:
            self._in_background(self._end_leases(child.report.workers))
        if child.state == "draining" or child.exit_code == 0:
            log.info("worker_ended", pid=child.pid, how=child.how_it_ended)
            return
        last_words = child.report.last_words or ("it stood still" if child.stuck else "none; see what it wrote above")
        log.error("worker_crashed", pid=child.pid, how=child.how_it_ended, last_words=last_words)
        if child.ready_at is None or time.monotonic() - child.ready_at < STABLE_SECONDS:
            self._ended_early(f"the last one with {child.how_it_ended}: {last_words}")

    def _ended_early(self, how: str) -> None:
        pause, crashes = self._backoff.crashed(time.monotonic()), self._backoff.crashes
        if crashes >= STARTS_TRIED and not self._was_ready:
            raise WorkersNotStarting(f"{crashes} workers ended before they were ready, {how}")
        if pause:
            log.warning(
                "workers_end_early",
                crashes=crashes,
                pause_seconds=pause,
                advice=f"within {STABLE_SECONDS:g} s of being ready, or before: they failed at their start, or a task "
                "ended them or held them up; see worker_crashed and worker_stuck",
            )

    async def _match(self) -> None:
        """Start workers that are missing, drain those that are too many."""
        working = [child for child in self._children if child.working]
        starting = sum(child.state == "starting" for child in working)
        room = min(self._settings.maximum - len(self._children), self._settings.started_at_once - starting)
        if self._backoff.may_start(time.monotonic()):
            for _ in range(min(self.wanted - len(working), room)):
                await self._start()
        working.sort(key=lambda child: (child.state == "ready", child.report.running))
        for child in working[: max(len(working) - self.wanted, 0)]:
            child.drain(self._settings.drain_patience)

    async def _start(self) -> None:
        try:
            child = await self._spawn(self._news.set)
        except OSError as error:
            log.error("worker_not_started", reason=str(error))
            self._backoff.pause(time.monotonic())
            return
        log.info("worker_spawned", pid=child.pid)
        self._children.append(child)

    async def _end_leases(self, workers: tuple[UUID, ...]) -> None:
        """The process is gone for certain: what it held may be taken over now, without waiting for its lease."""
        give_up = time.monotonic() + self._settings.lease_seconds
        while True:
            try:
                for worker in workers:
                    await self._registry.deregister(worker)
                return
            except StoreUnavailable as error:
                if time.monotonic() > give_up:
                    log.warning("lease_not_ended", reason=error.message)
                    return
                await asyncio.sleep(TICK_SECONDS)

    async def _next(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), TICK_SECONDS)
        self._news.clear()

    # Ending

    async def _drain_all(self) -> None:
        log.info("supervisor_draining", workers=len(self._children), seconds=self._settings.drain_patience)
        for child in self._children:
            child.drain(self._settings.drain_patience)
        while self._children:
            self._look_after()
            if self._children:
                await self._next()

    async def _end_all(self) -> None:
        """Leave nobody behind: where there is somebody left, waiting has come to an end."""
        for child in self._children:
            child.kill()
        for child in list(self._children):
            await child.ended()
            self._children.remove(child)
            if child.report.workers:
                self._in_background(self._end_leases(child.report.workers))
        if self._background:
            await asyncio.wait(self._background, timeout=END_LEASE_SECONDS)
        for task in self._background:
            task.cancel()

    def _in_background(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
