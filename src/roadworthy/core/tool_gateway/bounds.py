"""Where a tool call waits until it may begin: for its own task's other calls, and for those of its tool."""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import ContextVar
from types import TracebackType

from roadworthy.core.attempt import Attempt
from roadworthy.core.tool_gateway.calls_at_once import BoundedCall
from roadworthy.domain.service import ToolPolicy

LEFT_BEHIND_SECONDS = 5.0
"""A call that is so long past its limit is not counted any more."""


class Bounds:
    """Of one worker."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], _Line] = {}

    def of(self, attempt: Attempt, tool: str, policy: ToolPolicy) -> Bounded:
        """`async with`: at most `Limits.parallel_tools` calls of a task at once, at most `ToolPolicy.concurrency` of a
        tool in this worker, no other call of the same agent beside a `sequential` one.

        The wait counts to no time limit but that of a tool within which the call is made. Raises what interrupts the
        attempt meanwhile.
        """
        return Bounded(attempt, None if policy.concurrency is None else self._line(attempt, tool), policy)

    def _line(self, attempt: Attempt, tool: str) -> _Line:
        key = attempt.service.name, tool
        if (line := self._lines.get(key)) is None:
            line = self._lines[key] = _Line()
        return line


class _Line:
    """Before one tool."""

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    def ask(self, most: int) -> asyncio.Future[None] | None:
        """None for a place; else what to wait for, or to `give_up`."""
        if self.running < most and not self.waiting:
            self.running += 1
            return None
        come = asyncio.get_running_loop().create_future()
        self.waiting.append((come, most))
        return come

    def end(self) -> None:
        self.running -= 1
        self.admit()

    def give_up(self, come: asyncio.Future[None]) -> None:
        self.waiting = deque(one for one in self.waiting if one[0] is not come)
        self.admit()

    def admit(self) -> None:
        for come, most in tuple(self.waiting):
            if come.done():
                continue  # it gives up
            if self.running >= most:
                return
            self.running += 1
            self.waiting.remove((come, most))
            come.set_result(None)


class Bounded:
    """One call, from before its turn to its end."""

    __slots__ = ("_attempt", "_is_alone", "_line", "_most", "_outer", "_turn")

    def __init__(self, attempt: Attempt, line: _Line | None, policy: ToolPolicy) -> None:
        self._attempt = attempt
        self._line = line
        self._most = policy.concurrency or 0
        self._is_alone = policy.sequential
        self._outer: Bounded | None = None
        self._turn: BoundedCall | None = None

    async def __aenter__(self) -> Bounded:
        self._outer = outer = _around.get()
        at_once = self._attempt.calls_at_once
        turn = at_once.ask(None if outer is None else outer._turn, self._is_alone)
        if turn.come is not None and not turn.come.done():
            try:
                await self._wait(turn.come)
            except BaseException:
                _ = at_once.end(turn) if _has_come(turn.come) else at_once.give_up(turn)
                raise
        self._turn = turn
        try:
            await self._stand_in_line()
        except BaseException:
            at_once.end(turn)
            raise
        _around.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _around.set(self._outer)
        self.let_the_next_one_in()
        assert self._turn is not None  # noqa: S101
        self._attempt.calls_at_once.end(self._turn)

    def is_over_in(self, seconds: float) -> asyncio.TimerHandle | None:
        """Count it no longer, some time after so many seconds, where it does not come back then; None where nobody
        counts."""
        if self._line is None:
            return None
        return asyncio.get_running_loop().call_later(seconds + LEFT_BEHIND_SECONDS, self.let_the_next_one_in)

    def let_the_next_one_in(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.end()

    async def _stand_in_line(self) -> None:
        line = self._line
        if line is None:
            return
        if self._is_within(line):
            # It would wait for the very call that waits for it.
            self._line = None
        elif (come := line.ask(self._most)) is not None:
            try:
                await self._wait(come)
            except BaseException:
                _ = line.end() if _has_come(come) else line.give_up(come)
                raise

    def _is_within(self, line: _Line) -> bool:
        outer = self._outer
        while outer is not None:
            if outer._line is line:
                return True
            outer = outer._outer
        return False

    async def _wait(self, come: asyncio.Future[None]) -> None:
        attempt = self._attempt
        with attempt.progress.waiting(), attempt.ending(come):
            await come
        await attempt.permit()


def bounded() -> Bounded | None:
    """What bounds the present call."""
    return _around.get()


def _has_come(come: asyncio.Future[None]) -> bool:
    return come.done() and not come.cancelled() and come.exception() is None


_around: ContextVar[Bounded | None] = ContextVar("roadworthy_bounded_call", default=None)
