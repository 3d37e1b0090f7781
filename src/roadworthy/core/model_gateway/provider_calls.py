"""`gate.answer`: one answer to an agent's request, from whichever of the chain's models gives it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from roadworthy.core.attempt import Attempt, TextStream
from roadworthy.core.model_gateway.gateway import ModelGateway
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.domain.errors import ModelCallFailed
from roadworthy.domain.event import EventKind
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.model_input import ModelInput, ProviderCall

Make = Callable[[ProviderCall, TextStream], Awaitable[ModelReply]]
"""Calls a provider once and passes on text as it comes. Raises ModelCallFailed."""


class ModelCall:
    """One model call of an agent, which may take several calls of providers."""

    def __init__(self, attempt: Attempt, gateway: ModelGateway, key: str, shown: bool) -> None:
        self._attempt = attempt
        self._gateway = gateway
        self._key = key
        self._shown = shown
        self._began = time.monotonic()
        self.stream: TextStream | None = None
        """What readers were shown of the answer."""
        self.cost = 0
        self.saved = 0

    async def answer(self, input: ModelInput, make: Make) -> ModelReply:
        """The reply of a provider. Raises ModelCallFailed when none gave one, TaskInterruption when the attempt ends."""
        return await self._of(input, ProviderCall(input.model), make)

    async def _of(self, input: ModelInput, call: ProviderCall, make: Make) -> ModelReply:
        attempt = self._attempt
        prices = self._gateway.price_book.of(attempt.service)
        stream = self._open_stream()
        reply = await self._made(call, stream, make)
        billed = (reply.model, reply.usage, reply.provider, reply.url)
        self.cost += prices.cost(*billed, asked=call.model)
        self.saved += prices.saved(*billed, asked=call.model)
        if reply.text and not stream.pieces:
            stream(EventKind.TEXT, reply.text)
        return reply

    async def _made(self, call: ProviderCall, stream: TextStream, make: Make) -> ModelReply:
        seconds = self._attempt.limits.step_seconds
        limit = asyncio.timeout(seconds)
        with self._attempt.call(f"the model {call.model!r}", seconds):
            try:
                async with limit:
                    return await make(call, stream)
            except TimeoutError as error:
                if not limit.expired():
                    raise
                message = f"the model {call.model!r} did not finish within {seconds:g} s"
                raise ModelCallFailed(message, FailureClass.MODEL_TIMED_OUT) from error

    def _open_stream(self) -> TextStream:
        self.close()
        self.stream = self._attempt.open_text(shown=self._shown)
        return self.stream

    def close(self) -> None:
        if self.stream is not None:
            self._attempt.close_text(self.stream)

    def detail(self, reply: ModelReply) -> dict[str, Any]:
        """What is kept of the call for people and event streams."""
        if self.stream is None:
            # Something between the agent and the gateway answered in a model's place.
            stream = self._open_stream()
            stream(EventKind.TEXT, reply.text)
        else:
            stream = self.stream
        shown: dict[str, Any] = {
            "model": reply.model,
            "pieces": stream.pieces,
            "tool_calls": list(reply.tool_calls),
            "usage": reply.usage,
            "cost": self.cost,
            "seconds": round(time.monotonic() - self._began, 3),
        }
        if self.saved:
            shown["saved"] = self.saved
        if stream.live:
            shown["text_at"] = stream.place[:3]
        return shown
