"""The tries of one tool call, and what answers where all of them fail."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roadworthy.core.attempt import Attempt
from roadworthy.core.breakers import tool_target
from roadworthy.core.scope import Surroundings, surroundings
from roadworthy.core.tool_gateway.bounds import bounded
from roadworthy.core.tool_gateway.fallback import Fallback, asked, is_read_by_model
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.core.tool_gateway.results import done_but_not_kept
from roadworthy.domain.effect import NotDone, Outcome, StartedCall
from roadworthy.domain.errors import (
    AttemptFailed,
    InternalError,
    NotKeepable,
    TaskInterruption,
    ToolCallFailed,
)
from roadworthy.domain.failure_class import FailureClass, pause_within_tool_call
from roadworthy.domain.keepable import foreign_words
from roadworthy.domain.service import ToolPolicy

if TYPE_CHECKING:
    from roadworthy.core.tool_gateway.tool_call import ToolCall, ToolReply

Do = Callable[[], Awaitable["ToolReply"]]


@dataclass(frozen=True, slots=True)
class _Failed:
    """What became of one try."""

    error: AttemptFailed
    may_help: bool
    """Another one."""


class Tries:
    """Of one tool call: `gate` is the one that it goes through, `name` the journal name of its result."""

    def __init__(self, gate: Any, name: str) -> None:
        self._gate = gate
        self._name = name

    async def result(
        self,
        attempt: Attempt,
        gateway: ToolGateway,
        call: ToolCall,
        started: StartedCall | None,
        policy: ToolPolicy,
        do: Do,
        *,
        once_started: bool,
        begin: Callable[[], Awaitable[None]] | None = None,
    ) -> ToolReply:
        """What the tool gave back, or what its policy's fallback says in its place.

        `begin` is done right before it is called, and not at all where it isn't called because its breaker is open:
        where it must happen `once`, it has not been started then. Raises NotDone as the tool did,
        ToolCallFailed for an error that the model is not told, TaskInterruption when the attempt must end.
        """
        this = asyncio.current_task()
        assert this is not None  # noqa: S101
        running = attempt.tools.running
        outside, before = surroundings.get(), running.get(this)
        running[this] = call.name
        target = tool_target(attempt.service.name, call.name)
        fallback = Fallback(self._gate, self._name, attempt, gateway, call, started, policy)
        try:
            if not await gateway.breakers.lets_through(target):
                return await self._not_called(gateway, call, fallback, target)
            with gateway.breakers.calling(target):
                if begin is not None:
                    await begin()
                try:
                    reply = await self._tried(attempt, gateway, call, started, policy, do, target, once_started)
                except AttemptFailed as error:
                    if once_started and isinstance(error, NotKeepable) and error is not attempt.raised:
                        return done_but_not_kept(call, error)
                    if once_started:
                        gateway.calls[attempt.service.name, call.name, error.failure.value] += 1
                        raise
                    if (reply := await fallback.reply(error)) is None:
                        gateway.calls[attempt.service.name, call.name, error.failure.value] += 1
                        raise
                    return reply
        finally:
            surroundings.set(outside)
            if before is None:
                del running[this]
            else:
                running[this] = before
        if policy.fallback == "cached" and reply.outcome == Outcome.DONE and reply.content is None:
            gateway.last_results.keep(asked(attempt, call), gateway.redactor.value(reply.result))
        return reply

    async def _not_called(self, gateway: ToolGateway, call: ToolCall, fallback: Fallback, target: str) -> ToolReply:
        seconds = max(gateway.breakers.half_open_in(target), 1)
        words = (
            f"{call.name} is not available: it failed several times in a row. It is called again in {seconds:.0f} s."
        )
        error = ToolCallFailed(words, FailureClass.TOOL_SERVICE_FAILED, retry_after=seconds, tool=call.name)
        if (reply := await fallback.reply(error)) is not None:
            return reply
        if is_read_by_model(call):
            return call.answer(Outcome.FAILED, f"{words} Go on without it, or say that it has to wait.")
        raise error

    async def _tried(
        self,
        attempt: Attempt,
        gateway: ToolGateway,
        call: ToolCall,
        started: StartedCall | None,
        policy: ToolPolicy,
        do: Do,
        target: str,
        once: bool,
    ) -> ToolReply:
        breakers, failures = gateway.breakers, 0
        while True:
            # In doubt it waits: an attempt that ended here would leave its task with a worker that may live on.
            await attempt.await_lease()
            surroundings.set(Surroundings(self._gate, self._name, started=started))
            began = breakers.clock()
            known_in = None if policy.reconcile is None else policy.seconds + gateway.lease_seconds
            tried = await _once(attempt, call, policy, do, once, known_in)
            if not isinstance(tried, _Failed):
                if tried.outcome != Outcome.NOT_DONE:
                    breakers.succeeded(target, began)
                return tried
            failures += 1
            if tried.error.failure.treatment.blames_tool:
                breakers.failed(target)
            chance = random.random()  # noqa: S311
            pause = pause_within_tool_call(failures, tried.error.retry_after, chance)
            if failures > policy.retries or not tried.may_help or pause is None:
                raise tried.error
            with attempt.progress:
                await asyncio.sleep(pause)
            await attempt.permit()
            if not await breakers.lets_through(target):
                raise tried.error


async def _once(
    attempt: Attempt, call: ToolCall, policy: ToolPolicy, do: Do, once: bool, known_in: float | None
) -> ToolReply | _Failed:
    this, bound = asyncio.current_task(), bounded()
    assert this is not None  # noqa: S101
    cancels, limit = this.cancelling(), asyncio.timeout(policy.seconds)
    is_over = None if bound is None else bound.is_over_in(policy.seconds)
    try:
        with attempt.call(
            f"the tool {call.name!r}", policy.seconds, tool=call.name, once=once, known_in=known_in
        ) as under_way:
            under_way.limit = limit
            async with limit:
                return await do()
    except (TaskInterruption, NotDone, NotKeepable, InternalError, GeneratorExit):
        raise
    except AttemptFailed as raised:
        return _Failed(raised, may_help=raised.failure.is_retried)
    except asyncio.CancelledError as raised:
        if this.cancelling() > cancels:
            raise
        return _failed(call, "cancelled itself", raised)
    except TimeoutError as raised:
        if not limit.expired():
            return _failed(call, _in_words(raised), raised, FailureClass.TOOL_TIMED_OUT)
        words = f"did not come back within {policy.seconds:g} s"
        return _failed(call, words, raised, FailureClass.TOOL_TIMED_OUT)
    except BaseException as raised:
        # Also SystemExit and its like: it would leave the event loop and take every other task with it.
        return _failed(call, _in_words(raised), raised)
    finally:
        if is_over is not None:
            is_over.cancel()


def _failed(
    call: ToolCall, words: str, raised: BaseException, failure: FailureClass = FailureClass.TOOL_CALL_FAILED
) -> _Failed:
    error = ToolCallFailed(f"the tool {call.name!r} {words}", failure, tool=call.name)
    error.__cause__ = raised
    return _Failed(error, may_help=isinstance(raised, Exception))


def _in_words(raised: BaseException) -> str:
    return f"raised {type(raised).__name__}: {foreign_words(raised)}"
