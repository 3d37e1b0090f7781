"""PostgreSQL and Valkey for one machine and one owner, without installing either."""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from roadworthy.adapters.embedded.data_folder import DataFolder
from roadworthy.adapters.embedded.failure import explain_os_error
from roadworthy.adapters.embedded.postgres import PostgresProgram
from roadworthy.adapters.embedded.process import NamespaceUnavailable
from roadworthy.adapters.embedded.run_as import RunAs, choose_run_as, unprivileged_user
from roadworthy.adapters.embedded.supervised_server import SupervisedServer
from roadworthy.adapters.embedded.valkey import ValkeyProgram
from roadworthy.domain.errors import EmbeddedServerFailed

_log = structlog.stdlib.get_logger("roadworthy.embedded")


class EmbeddedServers:
    """Real servers in a private data folder, reachable over Unix sockets by this user only.

    They are started again when they die, end with this process however it dies, and keep their data. `postgres` and
    `valkey` choose which of the two are wanted. Use it with `async with`, or call `start` and `stop`.
    """

    def __init__(self, data_folder: Path, *, postgres: bool = True, valkey: bool = True) -> None:
        self._folder = DataFolder(data_folder)
        self._wanted = (postgres, valkey)
        self._postgres: PostgresProgram | None = None
        self._valkey: ValkeyProgram | None = None
        self._servers: list[SupervisedServer] = []

    @property
    def database_url(self) -> str:
        """A DSN for asyncpg; valid from `start` to `stop`. Raises EmbeddedServerFailed before and after."""
        return self._url_of(self._postgres)

    @property
    def redis_url(self) -> str:
        """For `redis.asyncio.from_url`; valid from `start` to `stop`. Raises EmbeddedServerFailed before and after."""
        return self._url_of(self._valkey)

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the servers that run right now, by name."""
        return {server.name: server.pid for server in self._servers if server.pid is not None}

    async def start(self) -> None:
        """Start both at once; returns when both take commands. Nothing happens when they are started already.

        Raises PlatformHasNoWheel, DataFolderInUse, DiskFull or EmbeddedServerFailed; then nothing is left running.
        """
        if self._servers:
            return
        postgres, valkey = self._wanted
        # First what needs no folder: a missing package must not leave one behind.
        self._postgres = PostgresProgram(self._folder) if postgres else None
        self._valkey = ValkeyProgram(self._folder) if valkey else None
        self._folder.open()
        try:
            try:
                await self._start_as(choose_run_as(*self._folder.owner()))
            except NamespaceUnavailable as reason:
                _log.info("embedded_servers_without_namespace", reason=str(reason))
                await self._start_as_unprivileged_user()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End both, quickly and with their data safe; returns when they are gone. May be called at any time."""
        await asyncio.gather(*(server.stop() for server in self._servers))
        self._servers = []
        self._postgres = self._valkey = None
        self._folder.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _start_as(self, run_as: RunAs) -> None:
        programs = [program for program in (self._postgres, self._valkey) if program is not None]
        self._servers = [SupervisedServer(program, self._folder, run_as) for program in programs]
        starts = [asyncio.create_task(server.start()) for server in self._servers]
        try:
            await asyncio.wait(starts, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            # Once, and not by gather: a second cancellation would interrupt the clearing up after the first one.
            for start in starts:
                start.cancel()
            await asyncio.wait(starts)
        for start in starts:
            if not start.cancelled():
                start.result()

    async def _start_as_unprivileged_user(self) -> None:
        await asyncio.gather(*(server.stop() for server in self._servers))
        uid, gid = unprivileged_user()
        try:
            self._folder.give_to(uid, gid)
        except OSError as error:
            raise explain_os_error(error, self._folder.path) from error
        try:
            await self._start_as(RunAs("user", uid, gid))
        except BaseException:
            await asyncio.gather(*(server.stop() for server in self._servers))
            self._folder.give_to(0, 0)  # so that another try begins where this one did
            raise

    def _url_of(self, program: PostgresProgram | ValkeyProgram | None) -> str:
        if program is None:
            raise EmbeddedServerFailed(f"The embedded server in {self._folder.path} is not started.")
        return program.url
