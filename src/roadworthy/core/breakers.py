"""Circuit breakers: what fails again and again is left alone for a while, by all workers."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass

import structlog

from roadworthy.core.outage import Outage
from roadworthy.domain.keepable import foreign_words
from roadworthy.ports.breakers import Breakers, BreakerState

THRESHOLD = 5
"""Failures in a row."""
OPEN_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 1.0
"""How old what other workers know may be while there are calls."""
STALE_SECONDS = 5.0
"""After a longer rest a worker asks what has happened meanwhile before it calls."""
ANSWER_SECONDS = 0.05
"""How long a call waits for that answer, at most."""
PROBE_SECONDS = 30.0
"""How long everybody waits for a probe before there is another one."""

_TOOL = "tool:"

log = structlog.get_logger()


def tool_target(agent: str, tool: str) -> str:
    """What the breaker of a tool is called. Services with one name share it, whatever their version."""
    return f"{_TOOL}{agent}:{tool}"


@dataclass(slots=True)
class _Breaker:
    """Of one target, as this process knows it."""

    failures: int = 0
    is_open: bool = False
    opened_at: float = 0.0
    half_open_at: float = 0.0
    probe_until: float = 0.0
    """Until then somebody's probe is under way."""
    given_back_until: float = 0.0
    """Until then the probe is this worker's, though none of its calls makes it."""


class TargetBreakers:
    """The breakers of one worker: of models by their names, of tools by `tool_target`. What it learns it tells the
    others, and learns from them about once a second while it makes calls; without the others, or while they can't be
    reached, it counts alone."""

    def __init__(
        self,
        shared: Breakers | None = None,
        threshold: int = THRESHOLD,
        open_seconds: float = OPEN_SECONDS,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._shared = shared
        self._threshold = threshold
        self._open_seconds = open_seconds
        # Looked up when it is called: simulations put another clock there.
        self.clock = clock or (lambda: time.monotonic())
        self._breakers: dict[str, _Breaker] = {}
        self._to_tell: deque[tuple[str, bool]] = deque()
        """Targets, and whether they succeeded."""
        self._looked_at = float("-inf")
        self._exchange: asyncio.Task[None] | None = None
        self._outage = Outage("breakers_not_shared", "breakers_shared_again", clock=self.clock)

    async def lets_through(self, target: str) -> bool:
        """Whether to call the target now. Of a half-open one, one caller over all workers hears yes: its call is the
        probe. Costs no round trip while the target is well and there are calls."""
        if self._shared is not None and self.clock() - self._looked_at > LOOK_AGAIN_SECONDS:
            await self._look()
        breaker = self._breakers.get(target)
        if breaker is None or not breaker.is_open:
            return True
        if self.clock() < max(breaker.half_open_at, breaker.probe_until):
            return False
        return await self._may_probe(target, breaker)

    @contextmanager
    def calling(self, target: str) -> Generator[None]:
        """Around all that is done once `lets_through` said yes: a probe that ends without a word of how the target is,
        or never comes to its call, is left to the next one."""
        probe = self.probe_of(target)
        try:
            yield
        finally:
            self.give_back(target, probe)

    def probe_of(self, target: str) -> float:
        """The probe that is under way, for `give_back`; 0 where there is none."""
        breaker = self._breakers.get(target)
        return breaker.probe_until if breaker is not None and breaker.is_open else 0.0

    def give_back(self, target: str, probe: float) -> None:
        """Nothing for a probe that came to its end."""
        breaker = self._breakers.get(target)
        if probe and breaker is not None and breaker.probe_until == probe:
            breaker.probe_until, breaker.given_back_until = 0.0, probe

    def succeeded(self, target: str, began: float) -> None:
        """A call that began then, by `clock`, was answered."""
        breaker = self._breakers.get(target)
        if breaker is None or (breaker.is_open and began < breaker.opened_at):
            # It began before the trouble did, and says nothing of how the target is now.
            return
        self._set(target, breaker, BreakerState())
        del self._breakers[target]
        self._tell(target, succeeded=True)

    def failed(self, target: str) -> None:
        breaker = self._breakers.setdefault(target, _Breaker())
        failures = breaker.failures + 1
        now = self.clock()
        opens = now >= breaker.half_open_at if breaker.is_open else failures >= self._threshold
        seconds = self._open_seconds if opens else max(breaker.half_open_at - now, 0)
        self._set(target, breaker, BreakerState(failures, seconds, opens or breaker.is_open))
        self._tell(target, succeeded=False)

    def half_open_in(self, target: str) -> float:
        """Seconds until it may be probed; 0 for one that is not open."""
        breaker = self._breakers.get(target)
        return max(breaker.half_open_at - self.clock(), 0) if breaker is not None and breaker.is_open else 0.0

    @property
    def open(self) -> Mapping[str, bool]:
        """Of each target that has failed lately, whether its breaker is open."""
        return {target: breaker.is_open for target, breaker in self._breakers.items()}

    async def close(self) -> None:
        """Tell the others what is left to tell."""
        if self._exchange is not None:
            await asyncio.wait([self._exchange])

    async def _may_probe(self, target: str, breaker: _Breaker) -> bool:
        now = self.clock()
        is_ours, breaker.given_back_until = now < breaker.given_back_until, 0.0
        # Before anybody is asked: of many calls at once only one asks, and the others pass it over.
        breaker.probe_until = now + PROBE_SECONDS
        if self._shared is None or is_ours:
            return True
        try:
            mine = await self._shared.probe(target, PROBE_SECONDS)
        except Exception as error:
            self._are_not_shared(error)
            return True
        except BaseException:
            breaker.probe_until = 0.0
            raise
        if not mine:
            # Somebody else's is under way; what it came to is known a second later.
            breaker.probe_until = self.clock() + LOOK_AGAIN_SECONDS
        return mine

    def _set(self, target: str, breaker: _Breaker, state: BreakerState) -> None:
        now = self.clock()
        if state.is_open and not breaker.is_open:
            breaker.opened_at = now
            log.warning(
                "breaker_opened",
                target=target,
                failures=state.failures,
                reason=f"{state.failures} calls in a row failed; for {state.open_seconds:.0f} s "
                + ("it is not called" if target.startswith(_TOOL) else "other models are used first"),
            )
        elif breaker.is_open and not state.is_open:
            log.info("breaker_closed", target=target, after_seconds=round(now - breaker.opened_at, 1))
        if state.is_open and state.open_seconds > 0:
            breaker.half_open_at = now + state.open_seconds
            breaker.probe_until = breaker.given_back_until = 0.0
        breaker.failures, breaker.is_open = state.failures, state.is_open

    # What the workers tell each other

    async def _look(self) -> None:
        stale = self.clock() - self._looked_at > STALE_SECONDS
        exchange = self._start_exchange()
        if stale:
            await asyncio.wait([exchange], timeout=ANSWER_SECONDS)

    def _tell(self, target: str, *, succeeded: bool) -> None:
        if self._shared is not None:
            self._to_tell.append((target, succeeded))
            self._start_exchange()

    def _start_exchange(self) -> asyncio.Task[None]:
        if self._exchange is None:
            self._exchange = asyncio.create_task(self._exchanged(), context=Context())
        return self._exchange

    async def _exchanged(self) -> None:
        """In one task, so that what is told keeps its order."""
        assert self._shared is not None  # noqa: S101
        try:
            while self._to_tell:
                await self._told(self._shared, *self._to_tell[0])
                self._to_tell.popleft()
            if self.clock() - self._looked_at > LOOK_AGAIN_SECONDS:
                self._learn(await self._shared.states())
                self._looked_at = self.clock()
            self._outage.is_over()
        except Exception as error:
            self._to_tell.clear()
            # Who is away is not asked for each call.
            self._looked_at = self.clock()
            self._are_not_shared(error)
        finally:
            self._exchange = None

    def _are_not_shared(self, error: Exception) -> None:
        self._outage.goes_on(foreign_words(error))

    async def _told(self, shared: Breakers, target: str, succeeded: bool) -> None:
        if succeeded:
            await shared.succeeded(target)
            return
        state = await shared.failed(target, self._threshold, self._open_seconds)
        if sum(told == target for told, _ in self._to_tell) == 1:
            self._apply(target, state)

    def _learn(self, states: Mapping[str, BreakerState]) -> None:
        untold = {target for target, _ in self._to_tell}
        for target in states.keys() | self._breakers.keys():
            if target not in untold:
                self._apply(target, states.get(target, BreakerState()))

    def _apply(self, target: str, state: BreakerState) -> None:
        breaker = self._breakers.setdefault(target, _Breaker())
        self._set(target, breaker, state)
        if not state.failures and not state.is_open:
            del self._breakers[target]
