"""The last good result of a tool for the same arguments, for when it fails: the fallback `"cached"`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from roadworthy.core.model_gateway.cache_in_time import CacheInTime
from roadworthy.core.model_gateway.cache_place import digest_of
from roadworthy.core.model_gateway.later import Later
from roadworthy.domain.cache_mark import mark_of
from roadworthy.domain.principal import Principal
from roadworthy.ports.cache import Cache

KEPT_SECONDS = 86_400
MOST_BYTES = 256 * 1024
"""A larger result is not kept."""
FORMAT = 1
"""What has another one was written by another release, and is nothing to this one."""


@dataclass(frozen=True, slots=True)
class LastResult:
    result: Any
    """As JSON types."""
    seconds: float
    """Since it came."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a tool was asked, and for whom: nobody gets what it told somebody else."""

    principal: Principal
    agent: str
    tool: str
    arguments: bytes
    """JSON with sorted keys."""

    @property
    def key(self) -> bytes:
        names = (self.principal.tenant, self.principal.user, self.agent, self.tool)
        return digest_of(b"tool result", *(name.encode() for name in names), self.arguments)

    @property
    def marks(self) -> tuple[str, ...]:
        """Dropped with the replies of its agent or tenant."""
        return _marks(self.agent, self.principal.tenant)


class LastResults:
    """One a worker. Nobody waits for the cache when all is well; while it is away there are none."""

    def __init__(self, cache: Cache | None = None) -> None:
        self._cache = None if cache is None else CacheInTime(cache)
        self._later = Later()

    def keep(self, asked: Asked, result: Any) -> None:
        """Soon, in the background."""
        if (cache := self._cache) is None:
            return
        value = orjson.dumps({"format": FORMAT, "at": time.time(), "result": result})
        if len(value) > MOST_BYTES:
            return

        async def keep() -> None:
            key = asked.key
            if (looked := await cache.get([key], asked.marks)) is not None:
                await cache.put({key: value}, KEPT_SECONDS, looked.stamp)

        self._later.add(keep)

    async def find(self, asked: Asked) -> LastResult | None:
        if self._cache is None:
            return None
        looked = await self._cache.get([asked.key], asked.marks)
        if looked is None or looked.values[0] is None:
            return None
        try:
            kept = orjson.loads(looked.values[0])
            if kept["format"] != FORMAT:
                return None
            return LastResult(kept["result"], max(time.time() - kept["at"], 0))
        except (ValueError, KeyError, TypeError):
            return None

    async def close(self) -> None:
        await self._later.close()
        if self._cache is not None:
            await self._cache.close()


@lru_cache(maxsize=4096)
def _marks(agent: str, tenant: str) -> tuple[str, ...]:
    return mark_of(), mark_of(agent), mark_of(tenant=tenant), mark_of(agent, tenant=tenant)
