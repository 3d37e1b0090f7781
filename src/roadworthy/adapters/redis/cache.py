"""Values that may vanish: one key a value, and one key a mark."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from roadworthy.adapters.redis.client import Client, Script
from roadworthy.adapters.redis.connection import Argument
from roadworthy.adapters.redis.server import RedisServer
from roadworthy.ports.cache import UNMARKED, Looked, Stamp

DROPPED_MILLISECONDS = 3_600_000
"""How long a dropped mark is remembered where nothing new is put under it: longer than any call that looked before."""
_MOST_MILLISECONDS = 10 * 365 * 86_400_000
_MARK_BYTES = 8


class RedisCache:
    """Implements `ports.cache.Cache`."""

    def __init__(self, server: RedisServer) -> None:
        self._client = Client(server)
        self._put = Script("put_cached")

    async def get(self, keys: Sequence[bytes], marks: Sequence[str] = ()) -> Looked:
        if not keys and not marks:
            return Looked([], UNMARKED)
        found = await self._client.call("MGET", *map(_mark_key, marks), *map(_key, keys))
        stamp = Stamp(tuple(marks), tuple(mark or b"" for mark in found[: len(marks)]))
        return Looked([_below(stamp, value) for value in found[len(marks) :]], stamp)

    async def put(self, values: Mapping[bytes, bytes], seconds: float, stamp: Stamp = UNMARKED) -> bool:
        lives = min(max(int(seconds * 1000), 1), _MOST_MILLISECONDS)
        arguments: list[Argument] = [len(stamp.marks), lives]
        for seen in stamp.seen:
            arguments += (seen, os.urandom(_MARK_BYTES))
        keys = [*map(_mark_key, stamp.marks), *map(_key, values)]
        return bool(await self._client.run(self._put, keys, [*arguments, *values.values()]))

    async def drop(self, mark: str) -> None:
        await self._client.call("SET", _mark_key(mark), os.urandom(_MARK_BYTES), "PX", DROPPED_MILLISECONDS)

    async def close(self) -> None:
        await self._client.close()


def _key(key: bytes) -> bytes:
    return b"roadworthy:cache:" + key


def _mark_key(mark: str) -> bytes:
    return b"roadworthy:mark:" + mark.encode(errors="surrogatepass")


def _below(stamp: Stamp, value: bytes | None) -> bytes | None:
    """The value, if it was put under just these marks as they are now."""
    head = b"".join((len(stamp.marks).to_bytes(), *stamp.seen))
    if value is None or not all(stamp.seen) or not value.startswith(head):
        return None
    return value[len(head) :]
