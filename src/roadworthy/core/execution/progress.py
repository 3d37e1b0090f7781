"""Whether an attempt still gets anywhere. Apart from the lease: a hung model or tool keeps its worker's heartbeat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from roadworthy.domain.errors import (
    AgentHung,
    EffectUnknown,
    ModelCallFailed,
    RoadworthyError,
    ToolCallFailed,
    TooSoonToKnow,
)
from roadworthy.domain.failure_class import FailureClass

_NO_LIMIT_SECONDS = 1e6


class ThreadWork(Future[Any]):
    """What a call does in a thread, which nothing can end."""

    def leave(self) -> None:
        """Go on without it: nobody waits for it any more."""


class OpenCall:
    """A model or tool call, under way while it is entered."""

    __slots__ = (
        "_loop",
        "_outer",
        "_progress",
        "_waits",
        "known_in",
        "limit",
        "name",
        "once",
        "seconds",
        "threads",
        "tool",
        "until",
    )

    def __init__(
        self, progress: Progress, name: str, seconds: float, tool: str | None, once: bool, known_in: float | None
    ) -> None:
        self._progress = progress
        self._outer: OpenCall | None = None
        self.name = name
        self.seconds = seconds
        """Its own limit."""
        self.tool = tool
        self.once = once
        self.known_in = known_in
        """Seconds after which its `reconcile` function can be asked whether it happened; None where it has none."""
        self.until = 0.0
        self.limit: asyncio.Timeout | None = None
        """What ends it after `seconds`, where the time that it waits for a thread does not count."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waits = 0
        self.threads: list[ThreadWork] = []

    def __enter__(self) -> OpenCall:
        self._outer = calling.get()
        calling.set(self)
        self._progress.opened(self)
        return self

    def __exit__(self, *_: object) -> None:
        calling.set(self._outer)
        self._progress.closed(self)
        for thread in self.threads:
            if not thread.done() and not thread.cancel():
                thread.leave()
                self._progress.when_thread_stays(thread, self.name)

    def waits_for_thread(self) -> None:
        """All are taken: its time stands still until `has_thread`."""
        if self.limit is None or self.limit.expired():
            return
        self._loop = asyncio.get_running_loop()
        self._waits += 1
        self.limit.reschedule(None)
        self._is_due_in(_NO_LIMIT_SECONDS)

    def has_thread(self) -> None:
        """Called in that thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._goes_on)

    def _goes_on(self) -> None:
        self._waits -= 1
        if self._waits or self.limit is None or self.limit.expired() or not self._progress.has(self):
            return
        self.limit.reschedule(asyncio.get_running_loop().time() + self.seconds)
        self._is_due_in(self.seconds)

    def _is_due_in(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds
        self._progress.moved_its_limit()

    def hung(self) -> RoadworthyError:
        """The error of a call that is past its limit and did not end when it was told to."""
        message = f"{self.name} did not come back within {self.seconds:g} s, nor when it was cancelled"
        if self.tool is None:
            return ModelCallFailed(message, FailureClass.MODEL_TIMED_OUT)
        if not self.once:
            return ToolCallFailed(message, FailureClass.TOOL_TIMED_OUT, tool=self.tool)
        message = f"{message}; it must happen only once"
        if self.known_in is not None:
            words = f"{message}; its reconcile function is asked in {self.known_in:.0f} s"
            return TooSoonToKnow(words, seconds=self.known_in)
        return EffectUnknown(f"{message}: look whether it happened, then decide (roadworthy decide)", tool=self.tool)


calling: ContextVar[OpenCall | None] = ContextVar("roadworthy_open_call", default=None)
"""The call that the present code runs for."""


class Progress:
    """What an attempt has under way, and since when it has had nothing.

    An attempt is stuck when every call that it has under way is past its own limit, or when it has had none for
    `seconds`; both by `grace`, in which they may end by themselves.
    """

    def __init__(self, seconds: float, when_thread_stays: Callable[[Future[Any], str], object]) -> None:
        self._seconds = seconds
        self._moved = time.monotonic()
        self._open: dict[OpenCall, None] = {}
        self._held_by_us = 0
        self._waits = 0
        self._look_at = float("inf")
        self.grace = 0.0
        self.when_thread_stays = when_thread_stays
        self.when_sooner: Callable[[], object] = lambda: None
        """Called when it may be stuck sooner than `seconds_left` said last."""

    def call(
        self, name: str, seconds: float, *, tool: str | None = None, once: bool = False, known_in: float | None = None
    ) -> OpenCall:
        return OpenCall(self, name, seconds, tool, once, known_in)

    def opened(self, call: OpenCall) -> None:
        call.until = time.monotonic() + call.seconds
        self._open[call] = None
        self._changed()

    def has(self, call: OpenCall) -> bool:
        return call in self._open

    def moved_its_limit(self) -> None:
        """One of the calls."""
        self._changed()

    def closed(self, call: OpenCall) -> None:
        del self._open[call]
        self._moved = time.monotonic()
        self._changed()

    # While it is not the agent that takes its time, but the store, the lease, or we.

    def __enter__(self) -> None:
        self._held_by_us += 1

    def __exit__(self, *_: object) -> None:
        self._held_by_us -= 1
        self._moved = time.monotonic()
        self._changed()

    @contextmanager
    def waiting(self) -> Generator[None]:
        """While a tool call waits for its turn: it moves when others do, and is stuck when all of them are."""
        self._waits += 1
        try:
            yield
        finally:
            self._waits -= 1
            self._moved = time.monotonic()
            self._changed()

    def seconds_left(self) -> float:
        """Until it is stuck, as things stand; 0 or less once it is."""
        now = time.monotonic()
        self._look_at = now + self._seconds + self.grace if self._held_by_us else self._due()
        return self._look_at - now

    def forgive(self) -> None:
        """Nothing could move: the event loop stood still until now."""
        self._moved = time.monotonic()
        for call in self._open:
            call.until = max(call.until, self._moved)

    @property
    def doing(self) -> str:
        """What it has under way, in words."""
        return ", ".join(call.name for call in self._open) or "the agent's own code"

    def stuck(self) -> RoadworthyError:
        """What hangs, in words: of several calls first the one whose effect is unknown now."""
        calls = sorted(self._open, key=lambda call: not call.once)
        if calls:
            return calls[0].hung()
        return AgentHung(
            f"the agent called neither a model nor a tool for {self._seconds:g} s (limits.step_seconds) and did not end"
        )

    def _due(self) -> float:
        if self._open:
            return max([call.until for call in self._open]) + self.grace
        since = time.monotonic() if self._waits else self._moved
        return since + self._seconds + self.grace

    def _changed(self) -> None:
        if not self._held_by_us and self._due() < self._look_at:
            self.when_sooner()
