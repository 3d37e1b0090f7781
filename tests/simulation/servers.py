"""The store and the broker as processes of their own, and all that happens on the way to them and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from roadworthy.adapters.memory.faults import unavailable
from roadworthy.testing.virtual_time import SimulatedProcess, VirtualTimeLoop, current_process

from .trace import Trace

T = TypeVar("T")

PATIENCE_SECONDS = 5.0
"""After this long without an answer a caller is told that the server is away."""
LATEST_SECONDS = 8.0
"""The longest that a statement may be on its way after its caller gave up: the server ends older ones."""
_OF_A_CONNECTION = ("work_queue.wait", "event_log.subscribe", "cancel_signals.listen")
"""The server undoes these itself when the connection of a caller who gave up is closed."""


class SimulatedServer:
    """`Faults` for one server: each call travels, is applied in the server's own process, and its answer travels.

    A caller that is killed on the way back has written; one that is stopped gets its answer when it goes on.
    """

    def __init__(self, name: str, loop: VirtualTimeLoop, chance: Random, trace: Trace) -> None:
        self.process = SimulatedProcess(name)
        self.failing_calls = 0.0
        self.lost_tickets = 0.0
        self.away = False
        self.outages: list[tuple[float, float]] = []
        """Beginning and end of those that are over."""
        self.cut_off: dict[SimulatedProcess, None] = {}
        self.applied: Callable[[str], object] = lambda operation: None
        """Told after each call that was applied."""
        self.on_its_way: Callable[[SimulatedProcess, str], object] = lambda caller, operation: None
        """Told when an answer sets out, with who is waiting for it."""
        self._refuses = False
        self._away_since = 0.0
        self._loop = loop
        self._chance = chance
        self._trace = trace
        self._context = self.process.context()

    def go_away(self, refuses: bool) -> None:
        """Callers are refused at once, or hear nothing."""
        self.away, self._refuses, self._away_since = True, refuses, self._loop.time()

    def come_back(self) -> None:
        if self.away:
            self.away = False
            self.outages.append((self._away_since, self._loop.time()))

    async def around(self, operation: str, apply: Callable[[], T]) -> T:
        caller, answer = current_process(), self._loop.create_future()
        arrives, patience, answered = self._travel(), PATIENCE_SECONDS, True
        if self.failing_calls and self._chance.random() < self.failing_calls:
            answered, patience = False, self._chance.random() * PATIENCE_SECONDS
            match self._chance.choice(("never", "never", "lost", "late")):
                case "never":
                    arrives = None
                case "late":
                    arrives = patience + self._chance.random() * LATEST_SECONDS
                case _:
                    pass
            self._trace.count("failed calls")
            self._trace.add("a call fails:", operation, "arrives", _at(arrives), "given up after", _at(patience))
        if not answered or self.away or caller in self.cut_off:
            self._give_up_after(0.01 if self.away and self._refuses else patience, operation, answer)
        if arrives is not None:
            self._later(arrives, self._arrive, caller, operation, apply, answer if answered else None)
        return await answer

    def _arrive(
        self, caller: SimulatedProcess, operation: str, apply: Callable[[], Any], answer: asyncio.Future[Any] | None
    ) -> None:
        if self.away or caller in self.cut_off:
            if answer is not None:
                self._give_up_after(0.01 if self.away and self._refuses else PATIENCE_SECONDS, operation, answer)
            return
        if operation in _OF_A_CONNECTION and (answer is None or answer.done()):
            return
        outcome, error = self._apply(operation, apply)
        if answer is not None:
            self.on_its_way(caller, operation)
            self._later(self._travel(), self._deliver, caller, operation, answer, outcome, error)

    def _apply(self, operation: str, apply: Callable[[], Any]) -> tuple[Any, Exception | None]:
        if operation in ("work_queue.post", "event_log.publish") and self.lost_tickets:
            draw = self._chance.random()
            if draw < self.lost_tickets:
                self._trace.count("lost tickets and events")
                return None, None
            if operation == "work_queue.post" and draw > 0.9:
                apply()
        try:
            outcome = apply()
        except Exception as error:
            return None, error
        self.applied(operation)
        return outcome, None

    def _deliver(
        self,
        caller: SimulatedProcess,
        operation: str,
        answer: asyncio.Future[Any],
        outcome: Any,
        error: Exception | None,
    ) -> None:
        if answer.done():
            return
        if self.away or caller in self.cut_off:
            self._trace.count("lost answers")
            self._give_up_after(PATIENCE_SECONDS, operation, answer)
        elif error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(outcome)

    def _give_up_after(self, seconds: float, operation: str, answer: asyncio.Future[Any]) -> None:
        def give_up() -> None:
            if not answer.done():
                answer.set_exception(unavailable(operation))

        self._later(seconds, give_up)

    def _later(self, seconds: float, call: Callable[..., object], *values: Any) -> None:
        self._loop.call_later(seconds, call, *values, context=self._context)

    def _travel(self) -> float:
        draw = self._chance.random()
        return 0.0005 + draw * 0.004 if draw < 0.97 else draw * self._chance.random() * 0.5


def _at(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.3f}"
