"""Tickets as one short list a lane."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from roadworthy.adapters.redis.client import Client
from roadworthy.adapters.redis.connection import CALL_SECONDS, Connection
from roadworthy.adapters.redis.errors import translated
from roadworthy.adapters.redis.server import RedisServer
from roadworthy.domain.errors import BrokerUnavailable

KEPT_TICKETS = 64
"""A lane's tickets beyond this many say nothing new."""
KEPT_SECONDS = 3600
"""Tickets of a lane that nobody serves any more disappear."""


class RedisWorkQueue:
    """Implements `ports.work_queue.WorkQueue`.

    A ticket goes to the worker that has waited longest. It is gone if that worker's reply gets lost: workers also
    claim unasked.
    """

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._client = Client(server)
        self._free: list[Connection] = []
        """For waiting: a connection that waits can do nothing else."""
        self._waiting: set[Connection] = set()
        self._closed = False

    async def post(self, lanes: Collection[str]) -> None:
        if lanes:
            await self._client.call_all(
                command
                for key in _keys(lanes)
                for command in (
                    ("LPUSH", key, 1),
                    ("LTRIM", key, 0, KEPT_TICKETS - 1),
                    ("EXPIRE", key, KEPT_SECONDS),
                )
            )

    async def wait(self, lanes: Collection[str], seconds: float) -> bool:
        if not lanes:
            await asyncio.sleep(seconds)
            return False
        keys = _keys(lanes)
        connection = await self._free_connection()
        self._waiting.add(connection)
        try:
            with translated(self._server.where):
                # Zero would wait for ever.
                came = await connection.call("BLPOP", *keys, max(seconds, 0.001), seconds=seconds + CALL_SECONDS)
                if came is not None:
                    # The claim that follows covers all of the lanes, and sees what was posted before this.
                    await connection.call("DEL", *keys)
        except BaseException:
            connection.abort()  # else the server would give the next ticket to nobody
            raise
        finally:
            self._waiting.discard(connection)
        self._free.append(connection)
        return came is not None

    async def _free_connection(self) -> Connection:
        while self._free:
            connection = self._free.pop()
            if not connection.is_lost:
                return connection
        connection = await self._server.open()
        if self._closed:
            await connection.close()
            raise BrokerUnavailable("The work queue was closed.")
        return connection

    async def close(self) -> None:
        """Those who wait get BrokerUnavailable."""
        self._closed = True
        for connection in (*self._free, *self._waiting):
            await connection.close()
        self._free.clear()
        await self._client.close()


def _keys(lanes: Collection[str]) -> list[str]:
    return [f"roadworthy:tickets:{lane}" for lane in lanes]
