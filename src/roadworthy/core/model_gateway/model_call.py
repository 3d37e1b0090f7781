"""`gate.model`: one model call, from the journal if it was made before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from roadworthy.core.attempt import Attempt, Draft, TextStream
from roadworthy.core.execution.progress import OpenCall
from roadworthy.core.scope import Scope
from roadworthy.domain.errors import ModelCallFailed
from roadworthy.domain.event import EventKind
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.money import MicroDollars


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A provider's answer as the gate needs it."""

    payload: bytes
    """What the framework needs to have the same reply again."""
    model: str
    text: str = ""
    """The whole text, sent to readers where nothing was streamed."""
    tool_calls: Sequence[dict[str, Any]] = ()
    """`{call_id, tool, arguments}` of each call that the model asks for."""
    usage: dict[str, int] = field(default_factory=dict[str, int])
    """`input_tokens, output_tokens, cache_read_tokens`."""
    cost: MicroDollars = 0


async def call_model(
    attempt: Attempt, scope: Scope, name: str, do: Callable[[TextStream], Awaitable[ModelReply]]
) -> bytes:
    """The reply's payload, once it is in the journal.

    `do` calls the provider and passes on text as it comes. Raises ModelCallFailed when the provider fails or is
    slower than `step_seconds`, TaskInterruption when the attempt must end.
    """
    attempt.model_calls += 1
    scope.steps += 1
    step, chain = scope.steps, scope.chain()
    key = scope.name(f"m{step}")
    if entry := attempt.replayed(key):
        attempt.journal_check.same(entry, "chain", chain)
        # Calls that were made at the same time saw the same chain: all of them start before the first one is linked.
        await asyncio.sleep(0)
        scope.link(entry.name, entry.payload)
        return entry.payload
    await attempt.journal_check.nothing_left_out()
    attempt.check_limits()
    await attempt.permit()
    started = time.monotonic()
    # What the agents of a tool say is for that tool, not for the readers.
    stream = attempt.open_text(shown=not scope.within.startswith("t"))
    try:
        with attempt.call(f"the model {name!r}", attempt.limits.step_seconds) as call:
            reply = await _within(call, do(stream))
        if reply.text and not stream.pieces:
            stream(EventKind.TEXT, reply.text)
        detail: dict[str, Any] = {
            **scope.detail,
            "step": step,
            "model": reply.model,
            "version": attempt.service.version,
            "pieces": stream.pieces,
            "tool_calls": list(reply.tool_calls),
            "usage": reply.usage,
            "cost": reply.cost,
            "seconds": round(time.monotonic() - started, 3),
            "chain": chain,
        }
        if stream.live:
            detail["text_at"] = stream.place[:3]
        draft = Draft(key, EntryKind.MODEL, reply.payload, detail)
        await attempt.record(draft)
    finally:
        attempt.close_text(stream)
    scope.link(key, reply.payload)
    return reply.payload


async def _within(call: OpenCall, reply: Awaitable[ModelReply]) -> ModelReply:
    limit = asyncio.timeout(call.seconds)
    try:
        async with limit:
            return await reply
    except TimeoutError as error:
        if not limit.expired():
            raise
        message = f"{call.name} did not finish within {call.seconds:g} s"
        raise ModelCallFailed(message, FailureClass.MODEL_TIMED_OUT) from error
