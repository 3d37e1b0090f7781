"""Which tool calls of one attempt run at once, and which wait for their turn."""

from __future__ import annotations

import asyncio
from collections import deque


class Level:
    """The calls that the agents of one tool make, or that the task's own agent makes."""

    __slots__ = ("is_alone", "under_way")

    def __init__(self) -> None:
        self.under_way = 0
        self.is_alone = False
        """The one that is under way has no other beside it."""


class BoundedCall:
    """One call that runs, or waits until it may."""

    __slots__ = ("come", "has_ended", "is_alone", "is_guest", "is_lent", "level", "outer", "within")

    def __init__(self, outer: BoundedCall | None, level: Level, is_alone: bool) -> None:
        self.outer = outer
        """The call within which it is made."""
        self.level = level
        self.within: Level | None = None
        self.is_alone = is_alone
        self.is_lent = False
        """A call within it runs in its place; it only waits for that one."""
        self.is_guest = False
        """It runs in the place of the call that it is made within."""
        self.has_ended = False
        self.come: asyncio.Future[None] | None = None
        """Of one that has to wait."""


class CallsAtOnce:
    """Turns come in the order of the calls. One that is made within another call takes the place of that one, where no
    other is free: agents that run in tools never wait for each other's tools for ever."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._running = 0
        self._top = Level()
        self._waiting: deque[BoundedCall] = deque()

    def ask(self, outer: BoundedCall | None, is_alone: bool) -> BoundedCall:
        """A turn that has come, or whose `come` is to be waited for: then `end` or `give_up` it. An `is_alone` call has
        no other call of its level beside it."""
        if outer is None or outer.has_ended:
            turn = BoundedCall(None, self._top, is_alone)
        else:
            outer.within = outer.within or Level()
            turn = BoundedCall(outer, outer.within, is_alone)
        if not self._waiting and self._may_come(turn):
            self._take(turn)
            return turn
        turn.come = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit()
        return turn

    def end(self, turn: BoundedCall) -> None:
        """Of one that has come."""
        turn.has_ended = True
        turn.level.under_way -= 1
        turn.level.is_alone = False
        if not turn.is_lent:
            place = turn
            while place.is_guest and place.outer is not None and place.outer.has_ended:
                place = place.outer  # which left it behind
            if place.is_guest and place.outer is not None:
                place.outer.is_lent = False
            else:
                self._running -= 1
        self._admit()

    def give_up(self, turn: BoundedCall) -> None:
        """Of one that waits."""
        self._waiting.remove(turn)
        self._admit()

    def _admit(self) -> None:
        held_up: set[Level] = set()
        for turn in tuple(self._waiting):
            assert turn.come is not None  # noqa: S101
            if turn.come.done():
                continue  # it gives up
            if turn.level in held_up or not self._may_come(turn):
                held_up.add(turn.level)
                continue
            self._waiting.remove(turn)
            self._take(turn)
            turn.come.set_result(None)

    def _may_come(self, turn: BoundedCall) -> bool:
        level = turn.level
        if level.is_alone or (turn.is_alone and level.under_way):
            return False
        return self._running < self._most or _can_be_guest(turn)

    def _take(self, turn: BoundedCall) -> None:
        turn.level.under_way += 1
        turn.level.is_alone = turn.is_alone
        if turn.outer is not None and _can_be_guest(turn):
            turn.outer.is_lent = turn.is_guest = True
        else:
            self._running += 1


def _can_be_guest(turn: BoundedCall) -> bool:
    return turn.outer is not None and not turn.outer.is_lent and not turn.outer.has_ended
