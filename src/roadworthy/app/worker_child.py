"""A supervisor's side of one worker process."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal, Self

import structlog

from roadworthy.app.worker_report import WorkerReport, read_report

log = structlog.get_logger()

LAST_REPORT_SECONDS = 0.5
"""After its end: a child of its own may hold the socket open for ever."""

ChildState = Literal["starting", "ready", "draining", "stuck"]


class WorkerChild:
    """Starting until it is registered, ready until it is asked to drain, stuck once nobody waits for it any more."""

    def __init__(self, process: asyncio.subprocess.Process, stream: socket.socket, news: Callable[[], object]) -> None:
        self.pid = process.pid
        self.report = WorkerReport()
        self.started_at = self.heard_at = time.monotonic()
        """`heard_at`: when its event loop last said that it comes round."""
        self.loop_runs = False
        """It has said so at least once."""
        self.ready_at: float | None = None
        self.kill_at: float | None = None
        """When patience with it ends."""
        self.stuck = False
        self.exit_code: int | None = None
        """Set once its last report was read."""
        self._process = process
        self._news = news
        self._attending = asyncio.create_task(self._attend(stream))

    @classmethod
    async def spawn(cls, targets: Sequence[str], news: Callable[[], object]) -> Self:
        """Start a worker for the targets; `news` is called when it says something new, and when it has ended.

        In a session of its own, so that Ctrl-C in a terminal reaches the supervisor alone. What it writes goes where
        ours goes, without passing through us: it must be able to write when we are gone.
        """
        ours, its = socket.socketpair()
        try:
            with its:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-P", "-m", "roadworthy.app.supervised_worker", str(its.fileno())),
                    *targets,
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(its.fileno(),),
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            raise
        ours.setblocking(False)
        return cls(process, ours, news)

    @property
    def state(self) -> ChildState:
        if self.stuck:
            return "stuck"
        if self.kill_at is not None or self.report.state == "draining":
            return "draining"
        return "ready" if self.report.state == "ready" else "starting"

    @property
    def working(self) -> bool:
        return self.state in ("starting", "ready")

    @property
    def how_it_ended(self) -> str:
        code = self.exit_code
        if code is not None and code < 0:
            with suppress(ValueError):
                return f"ended by {signal.Signals(-code).name}"
        return f"exit code {code}"

    def drain(self, patience: float) -> None:
        """Ask it once to hand over and end, and give it so many seconds for that."""
        if self.kill_at is None:
            self.kill_at = time.monotonic() + patience
            self._send(signal.SIGTERM)

    def give_up(self, patience: float) -> None:
        """It does not come round any more: ask it to end all the same, and do not wait for long."""
        self.stuck = True
        self.kill_at = time.monotonic() + patience
        self._send(signal.SIGTERM)

    def take_back(self, patience: float) -> None:
        """It came round after all, and drains."""
        self.stuck = False
        self.kill_at = time.monotonic() + patience

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    async def ended(self) -> None:
        """Until the process is gone for certain and its last report was read."""
        await asyncio.shield(self._attending)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _attend(self, stream: socket.socket) -> None:
        reading = asyncio.create_task(self._read(stream))
        code = await self._process.wait()
        await asyncio.wait([reading], timeout=LAST_REPORT_SECONDS)
        reading.cancel()
        await asyncio.wait([reading])
        self.exit_code = code
        self._news()

    async def _read(self, stream: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=stream)
        try:
            async for line in reader:
                with suppress(ValueError):
                    self._hear(read_report(line))
        except ConnectionError:
            return
        finally:
            writer.close()

    def _hear(self, report: WorkerReport) -> None:
        before, self.report = self.report, report
        if report.from_loop:
            self.heard_at, self.loop_runs = time.monotonic(), True
        if report.state == "ready" and self.ready_at is None:
            self.ready_at = time.monotonic()
            log.info("worker_ready", pid=self.pid, seconds=round(self.ready_at - self.started_at, 1))
        if before.state != report.state:
            self._news()
