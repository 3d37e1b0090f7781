"""Whether an attempt still gets anywhere. Apart from the lease: a hung model or tool keeps its worker's heartbeat."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from roadworthy.domain.errors import AgentHung, EffectUnknown, ModelCallFailed, RoadworthyError, ToolCallFailed
from roadworthy.domain.failure_class import FailureClass


@dataclass(eq=False, slots=True)
class OpenCall:
    """A model or tool call that is under way."""

    name: str
    seconds: float
    """Its own limit."""
    until: float
    tool: str | None = None
    once: bool = False
    threads: list[Future[Any]] = field(default_factory=list[Future[Any]])
    """What it runs in threads, which nothing can end."""

    def hung(self) -> RoadworthyError:
        """The error of a call that is past its limit and did not end when it was told to."""
        message = f"{self.name} did not come back within {self.seconds:g} s, nor when it was cancelled"
        if self.tool is None:
            return ModelCallFailed(message, FailureClass.MODEL_TIMED_OUT)
        if not self.once:
            return ToolCallFailed(message, FailureClass.TOOL_TIMED_OUT, tool=self.tool)
        advice = "it must happen only once: look whether it happened, then cancel the task"
        return EffectUnknown(f"{message}; {advice}", tool=self.tool)


calling: ContextVar[OpenCall | None] = ContextVar("roadworthy_open_call", default=None)
"""The call that the present code runs for."""


class Progress:
    """What an attempt has under way, and since when it has had nothing.

    An attempt is stuck when every call that it has under way is past its own limit, or when it has had none for
    `seconds`; both by `grace`, in which they may end by themselves.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._moved = time.monotonic()
        self._open: dict[OpenCall, None] = {}
        self._held_by_us = 0
        self.when_changed: Callable[[], object] = lambda: None
        """Called when something begins or ends: it may be stuck sooner than it seemed before."""

    @contextmanager
    def call(self, name: str, seconds: float, *, tool: str | None = None, once: bool = False) -> Generator[OpenCall]:
        """While a call is under way."""
        call = OpenCall(name, seconds, time.monotonic() + seconds, tool, once)
        self._open[call] = None
        self.when_changed()
        outer = calling.get()
        calling.set(call)
        try:
            yield call
        finally:
            calling.set(outer)
            del self._open[call]
            self._moved = time.monotonic()
            self.when_changed()

    @contextmanager
    def ours(self) -> Generator[None]:
        """While it is not the agent that takes its time, but the store, the lease, or we."""
        self._held_by_us += 1
        try:
            yield
        finally:
            self._held_by_us -= 1
            self._moved = time.monotonic()
            self.when_changed()

    def seconds_left(self, grace: float) -> float:
        """Until it is stuck, as things stand; 0 or less once it is."""
        now = time.monotonic()
        if self._held_by_us:
            return self._seconds + grace
        last = max((call.until for call in self._open), default=self._moved + self._seconds)
        return last + grace - now

    @property
    def doing(self) -> str:
        """What it has under way, in words."""
        return ", ".join(call.name for call in self._open) or "the agent's own code"

    def forgive(self) -> None:
        """Nothing could move: the event loop stood still until now."""
        self._moved = time.monotonic()
        for call in self._open:
            call.until = max(call.until, self._moved)

    def stuck(self) -> RoadworthyError:
        """What hangs, in words: of several calls first the one whose effect is unknown now."""
        calls = sorted(self._open, key=lambda call: not call.once)
        if calls:
            return calls[0].hung()
        return AgentHung(
            f"the agent called neither a model nor a tool for {self._seconds:g} s (limits.step_seconds) and did not end"
        )
