"""Keeps one server running from `start` to `stop`."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from roadworthy.adapters.embedded.data_folder import DataFolder
from roadworthy.adapters.embedded.failure import explain_end, explain_os_error
from roadworthy.adapters.embedded.process import GuardedProcess
from roadworthy.adapters.embedded.programs import Program
from roadworthy.adapters.embedded.run_as import RunAs
from roadworthy.domain.errors import EmbeddedServerError

READY_SECONDS = 60.0
"""A start may take so long: after a crash PostgreSQL first replays its log."""

PREDECESSOR_SECONDS = 30.0
"""A server of a killed owner has so long to end."""

FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 0.05, 5.0
_STABLE_SECONDS = 60.0
_READY_POLL_SECONDS = 0.003

_log = structlog.stdlib.get_logger("roadworthy.embedded")


class SupervisedServer:
    """A server that is started again, on the same socket, when it ends by itself.

    `start` and `stop` may be called in any order and repeatedly; a cancelled or failed `start` leaves nothing behind.
    """

    def __init__(self, program: Program, folder: DataFolder, run_as: RunAs) -> None:
        self._program = program
        self._folder = folder
        self._run_as = run_as
        self._process: GuardedProcess | None = None
        self._supervision: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self._program.name

    @property
    def pid(self) -> int | None:
        """The server's process id, None while there is none."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Returns when the server takes commands. Raises EmbeddedServerError, NamespaceUnavailable."""
        if self._supervision is not None:
            return
        await self._create()
        await self._serve()
        self._supervision = asyncio.create_task(self._supervise(), name=f"supervise-{self._program.name}")

    async def stop(self) -> None:
        """Returns when the server is gone."""
        if self._supervision is not None:
            self._supervision.cancel()
            await asyncio.wait([self._supervision])
            self._supervision = None
        if self._process is not None:
            await self._process.stop()
            self._process = None

    async def _supervise(self) -> None:
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            served_since = time.monotonic()
            if self._process is not None:
                status = await self._process.wait()
                _log.warning("embedded_server_ended", server=self._program.name, status=status)
                self._process = None
            if time.monotonic() - served_since > _STABLE_SECONDS:
                backoff = FIRST_BACKOFF_SECONDS
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)
            try:
                await self._serve()
                _log.info("embedded_server_restarted", server=self._program.name, pid=self.pid)
            except EmbeddedServerError as error:
                _log.error("embedded_server_restart_failed", server=self._program.name, reason=error.message)

    async def _create(self) -> None:
        process = await self._spawn(self._program.creation)
        if process is None:
            return
        try:
            status = await process.wait()
        finally:
            await process.stop()
        if status != 0:
            raise self._explain(process, status)
        try:
            self._program.created()
        except OSError as error:
            raise explain_os_error(error, self._folder.path) from error

    async def _serve(self) -> None:
        process = await self._spawn(self._program.command)
        if process is None:
            return
        try:
            await self._wait_until_ready(process)
        except BaseException:
            await process.stop()
            raise
        self._process = process

    async def _spawn(self, command: Callable[[], Sequence[str | Path] | None]) -> GuardedProcess | None:
        """Asks for the command, and runs it, only when no process of a predecessor is left."""
        try:
            lock = await self._folder.lock_server(self._program.name, deadline_seconds=PREDECESSOR_SECONDS)
            try:
                words = command()
                if words is None:
                    return None
                return await GuardedProcess.spawn(
                    words,
                    folder=self._folder.path,
                    run_as=self._run_as,
                    log=self._folder.path / f"{self._program.name}.log",
                    stop_plan=self._program.stop_plan,
                    lock=lock,
                )
            finally:
                os.close(lock)  # the process has its own by now
        except OSError as error:
            raise explain_os_error(error, self._folder.path) from error

    async def _wait_until_ready(self, process: GuardedProcess) -> None:
        ended = asyncio.create_task(process.wait())
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not await self._program.is_ready(process.pid):
                    if ended.done():
                        raise self._explain(process, ended.result())
                    await asyncio.wait([ended], timeout=_READY_POLL_SECONDS)
        except TimeoutError as error:
            await process.stop()  # then its last words are complete
            raise self._explain(process, None) from error
        finally:
            ended.cancel()

    def _explain(self, process: GuardedProcess, status: int | None) -> EmbeddedServerError:
        return explain_end(self._program.name, status, process.last_words, self._folder.path)
