"""The twin of breakers in Redis."""

from __future__ import annotations

from roadworthy.adapters.memory.broker import FailingTarget, MemoryBroker
from roadworthy.ports.breakers import FORGOTTEN_SECONDS, BreakerState


class MemoryBreakers:
    """Implements `ports.breakers.Breakers`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def failed(self, target: str, threshold: int, seconds: float) -> BreakerState:
        return await self._broker.run("breakers.failed", lambda: self._failed(target, threshold, seconds))

    async def succeeded(self, target: str) -> None:
        await self._broker.run("breakers.succeeded", lambda: self._broker.failing.pop(target, None))

    async def probe(self, target: str, seconds: float) -> bool:
        return await self._broker.run("breakers.probe", lambda: self._probe(target, seconds))

    async def states(self) -> dict[str, BreakerState]:
        return await self._broker.run("breakers.states", self._states)

    async def close(self) -> None: ...

    def _failed(self, target: str, threshold: int, seconds: float) -> BreakerState:
        now = self._broker.now()
        self._forget(now)
        failing = self._broker.failing.setdefault(target, FailingTarget())
        failing.failures += 1
        failing.touched = now
        if failing.failures >= threshold if failing.half_open_at is None else failing.half_open_at <= now:
            failing.half_open_at = now + seconds
            failing.probed_until = 0.0
        return _state(failing, now)

    def _probe(self, target: str, seconds: float) -> bool:
        now = self._broker.now()
        failing = self._broker.failing.get(target)
        if failing is None or failing.half_open_at is None:
            return True
        if max(failing.half_open_at, failing.probed_until) > now:
            return False
        failing.probed_until = now + seconds
        return True

    def _states(self) -> dict[str, BreakerState]:
        now = self._broker.now()
        self._forget(now)
        return {target: _state(failing, now) for target, failing in self._broker.failing.items()}

    def _forget(self, now: float) -> None:
        for target, failing in list(self._broker.failing.items()):
            if failing.touched + FORGOTTEN_SECONDS < now:
                del self._broker.failing[target]


def _state(failing: FailingTarget, now: float) -> BreakerState:
    if failing.half_open_at is None:
        return BreakerState(failing.failures)
    return BreakerState(failing.failures, max(failing.half_open_at - now, 0.0), is_open=True)
