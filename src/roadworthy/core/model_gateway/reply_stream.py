"""A provider's answer as it comes, within the time that it may take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from roadworthy.core.attempt import Attempt, TextStream
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.domain.errors import ModelCallFailed
from roadworthy.domain.event import EventKind
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.model_input import ModelInput, ProviderCall


class ReplyStream:
    """Passes text on to readers: `stream(kind, piece)`. Knows whether anything has come yet, and waits accordingly."""

    __slots__ = ("_limit", "_text", "_until", "has_begun")

    def __init__(self, text: TextStream, limit: asyncio.Timeout, until: float) -> None:
        self._text = text
        self._limit = limit
        self._until = until
        self.has_begun = False

    def __call__(self, kind: EventKind, text: str) -> None:
        if not self.has_begun:
            self.begins()
        self._text(kind, text)

    def begins(self) -> None:
        """A first piece has come, of whatever kind."""
        self.has_begun = True
        self.comes_whole()

    def comes_whole(self) -> None:
        """There will be no first piece to wait for, or it is here: only the call as a whole is limited from now on."""
        if not self._limit.expired():
            self._limit.reschedule(self._until)


Make = Callable[[ProviderCall, ReplyStream], Awaitable[ModelReply]]
"""Calls a provider once and passes on its answer as it comes. Raises ModelCallFailed."""


class TimedCall:
    """One call of a provider within `step_seconds`, and within `first_token_seconds` until its answer begins."""

    def __init__(self, attempt: Attempt, input: ModelInput, call: ProviderCall, text: TextStream) -> None:
        limits = attempt.limits
        self._attempt = attempt
        self._call = call
        self._seconds = limits.step_seconds
        self._first_seconds = min(limits.first_token_seconds, self._seconds) if input.streams else self._seconds
        usual = attempt.service.limits
        self._is_short = self._seconds < usual.step_seconds
        self._begins_short = input.streams and self._first_seconds < min(usual.first_token_seconds, usual.step_seconds)
        now = asyncio.get_running_loop().time()
        self._limit = asyncio.timeout_at(now + self._first_seconds)
        self.stream = ReplyStream(text, self._limit, now + self._seconds)

    async def of(self, make: Make) -> ModelReply:
        with self._attempt.call(f"the model {self._call.model!r}", self._seconds):
            try:
                async with self._limit:
                    return await make(self._call, self.stream)
            except TimeoutError as error:
                if not self._limit.expired():
                    raise
                raise ModelCallFailed(self._words(), FailureClass.MODEL_TIMED_OUT) from error

    @property
    def was_hurried(self) -> bool:
        """It had less time than its service gives and used it up: whoever lowers the limits of a task must not be able
        to make a model look ill."""
        is_short = self._is_short or (self._begins_short and not self.stream.has_begun)
        return is_short and self._limit.expired()

    def _words(self) -> str:
        model = f"the model {self._call.model!r}"
        if self.stream.has_begun or self._first_seconds == self._seconds:
            return f"{model} did not finish within {self._seconds:g} s"
        return f"{model} sent nothing within {self._first_seconds:g} s (limits.first_token_seconds)"
