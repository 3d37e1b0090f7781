"""The stores under test: real servers in a thread of their own, because every test has another event loop."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil
import redis.asyncio as redis

from roadworthy.adapters.embedded import EmbeddedServers
from roadworthy.adapters.postgres import migrate

from .gates import MAKE_GATES
from .watched import SECONDS

T = TypeVar("T")
_TEMPLATE = "migrated"


class Servers:
    """PostgreSQL, with a database for each test, and Valkey. Each is started again when it dies, and can be taken
    away and brought back on its old address."""

    def __init__(self) -> None:
        # Not pytest's folder: paths of sockets must be short, or they would change with every start.
        self._folder = Path(tempfile.mkdtemp(prefix="accept-", dir="/tmp"))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="servers")
        self._thread.start()
        self._servers = {
            "postgres": EmbeddedServers(self._folder / "p", valkey=False),
            "valkey": EmbeddedServers(self._folder / "v", postgres=False),
        }
        self._databases = 0
        for server in self._servers.values():
            self._run(server.start())
        self._postgres_url = self._servers["postgres"].database_url
        self.redis_url = self._servers["valkey"].redis_url
        asyncio.run(self._prepare())

    def close(self) -> None:
        for server in self._servers.values():
            self._run(server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self._folder)

    @property
    def guardians(self) -> list[int]:
        """Process ids of what belongs to the servers and not to a test."""
        return [pid for server in self._servers.values() for pid in server.pids.values()]

    async def new_database(self, *, migrated: bool = True) -> str:
        """The URL of a database without rows, or without anything."""
        self._databases += 1
        name = f"test_{self._databases}"
        template = _TEMPLATE if migrated else "template0"
        await self._execute(f"create database {name} template {template} strategy file_copy")
        return self.url_of(name)

    async def drop_database(self, url: str) -> None:
        await self._execute(f"drop database {urlsplit(url).path[1:]} with (force)")

    async def kill(self, name: str) -> None:
        """As `kill -9`; returns when it is gone. Its supervisor starts it again."""
        for _ in range(2000):
            if (pid := self._servers[name].pids.get(name)) is not None and psutil.pid_exists(pid):
                break
            await asyncio.sleep(0.01)  # it is just being started again
        else:
            raise AssertionError(f"{name} was not started again")
        watch = os.pidfd_open(pid)
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(watch, gone.set)
        os.kill(pid, signal.SIGKILL)
        try:
            await asyncio.wait_for(gone.wait(), SECONDS)
        finally:
            loop.remove_reader(watch)
            os.close(watch)

    async def take_away(self, name: str) -> None:
        """Kill it, and let nobody start it again. Does nothing where it is away already."""
        server = self._servers[name]
        if name in server.pids:
            await self.kill(name)
        await self._in_thread(server.stop())

    async def bring_back(self, name: str) -> None:
        """Returns when it takes commands. Does nothing where it is there."""
        await self._in_thread(self._servers[name].start())

    async def restart(self, name: str) -> None:
        """In order, as an operator would: ended first, then started again."""
        await self._in_thread(self._servers[name].stop())
        await self.bring_back(name)

    async def flush_broker(self) -> None:
        client = redis.from_url(self.redis_url)
        await client.flushall()
        await client.aclose()

    def url_of(self, database: str) -> str:
        return urlunsplit(urlsplit(self._postgres_url)._replace(path=f"/{database}"))

    async def _prepare(self) -> None:
        await self._execute("alter system set fsync = off")
        await self._execute("select pg_reload_conf()")
        await self._execute(f"create database {_TEMPLATE}")
        await migrate(self.url_of(_TEMPLATE))
        connection = await asyncpg.connect(self.url_of(_TEMPLATE))
        await connection.execute(MAKE_GATES)
        await connection.close()

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._postgres_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def _in_thread(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)
