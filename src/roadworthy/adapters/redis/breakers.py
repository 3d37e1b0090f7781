"""Circuit breakers: one small hash for all targets, with the server's clock."""

from __future__ import annotations

from typing import Any

from roadworthy.adapters.redis.client import Client, Script
from roadworthy.adapters.redis.connection import Argument
from roadworthy.adapters.redis.server import RedisServer
from roadworthy.ports.breakers import FORGOTTEN_SECONDS, BreakerState

KEY = "roadworthy:breakers"
_FORGOTTEN_MILLISECONDS = FORGOTTEN_SECONDS * 1000


class RedisBreakers:
    """Implements `ports.breakers.Breakers`."""

    def __init__(self, server: RedisServer) -> None:
        self._client = Client(server)
        self._failed = Script("breaker_failed")
        self._probe = Script("breaker_probe")
        self._states = Script("breaker_states")

    async def failed(self, target: str, threshold: int, seconds: float) -> BreakerState:
        return _state(await self._run(self._failed, target, threshold, _milliseconds(seconds)))

    async def succeeded(self, target: str) -> None:
        await self._client.call("HDEL", KEY, target)

    async def probe(self, target: str, seconds: float) -> bool:
        return bool(await self._run(self._probe, target, _milliseconds(seconds)))

    async def states(self) -> dict[str, BreakerState]:
        return {target.decode(): _state(state) for target, *state in await self._run(self._states)}

    async def close(self) -> None:
        await self._client.close()

    async def _run(self, script: Script, *arguments: Argument) -> Any:
        return await self._client.run(script, [KEY], [*arguments, _FORGOTTEN_MILLISECONDS])


def _state(answer: list[int]) -> BreakerState:
    failures, is_open, milliseconds = answer
    return BreakerState(failures, milliseconds / 1000, bool(is_open))


def _milliseconds(seconds: float) -> int:
    return max(round(seconds * 1000), 1)
