"""A process of the simulation: what runs in one is found by its context, and can be stopped or killed as a whole."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar


class SimulatedProcess:
    """Part of a `VirtualTimeLoop`: callbacks of one process keep their order, those of several mix by chance.

    `clock_skew` is added to what its code reads from the wall clock.
    """

    def __init__(self, name: str, clock_skew: float = 0) -> None:
        self.name = name
        self.clock_skew = clock_skew
        self.ready: deque[asyncio.Handle] = deque()
        """Owned by the loop."""
        self.held = False
        """Stopped or killed: nothing of it runs. Owned by the loop."""
        self.killed = False
        self.when_killed: list[Callable[[], object]] = []
        """Called once, outside of the process: what its partners notice of its death."""

    def context(self) -> Context:
        """A new context; what is started in it belongs to this process."""
        context = Context()
        context.run(CURRENT.set, self)
        return context

    def __repr__(self) -> str:
        return self.name


CURRENT: ContextVar[SimulatedProcess] = ContextVar("simulated_process")
NOBODY = SimulatedProcess("outside")


def current_process() -> SimulatedProcess:
    """The process whose code runs now; one called `outside` for code that belongs to none."""
    return CURRENT.get(NOBODY)
