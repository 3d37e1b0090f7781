"""A second connection that holds locks, so that a test decides who comes first."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

T = TypeVar("T")

_WAITING = """
    select count(*) > $1 from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and wait_event_type = 'Lock'
"""


class OtherConnection:
    def __init__(self, connection: Any, watch: Any) -> None:
        self.connection = connection
        self._watch = watch

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator["OtherConnection"]:
        connection, watch = await asyncpg.connect(url), await asyncpg.connect(url)
        yield cls(connection, watch)
        await connection.close()
        await watch.close()

    @asynccontextmanager
    async def holding(self, query: str, *values: object) -> AsyncIterator[Any]:
        """Inside, what `query` locked stays locked; what else is done on `connection` commits at the end."""
        async with self.connection.transaction():
            await self.connection.fetch(query, *values)
            yield self.connection

    async def until_waiting(self, coroutine: Coroutine[Any, Any, T], behind: int = 0) -> "asyncio.Task[T]":
        """Start it and return once it waits for a lock, after `behind` others that wait already."""
        task = asyncio.create_task(coroutine)
        await self.until(_WAITING, behind)
        assert not task.done(), "it did not wait for a lock"
        return task

    async def until(self, condition: str, *values: object) -> None:
        """Until the query answers true."""
        async with asyncio.timeout(60):
            while not await self._watch.fetchval(condition, *values):  # noqa: ASYNC110
                await asyncio.sleep(0.002)  # the server tells nobody when it begins to wait
