"""The tries of one tool call, each within its time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from roadworthy.core.attempt import Attempt
from roadworthy.core.scope import Surroundings, surroundings
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.core.tool_gateway.results import done_but_not_kept
from roadworthy.domain.effect import NotDone, StartedCall
from roadworthy.domain.errors import AttemptFailed, EffectUnknown, NotKeepable, TaskInterruption, ToolCallFailed
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.keepable import foreign_words
from roadworthy.domain.service import ToolPolicy

if TYPE_CHECKING:
    from roadworthy.core.tool_gateway.tool_call import ToolCall, ToolReply

Do = Callable[[], Awaitable["ToolReply"]]


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
    ) -> ToolReply:
        """What the tool gave back.

        Raises NotDone as the tool did, ToolCallFailed for an error that the model is not told, EffectUnknown in its
        place where the call is `once_started`, TaskInterruption when the attempt must end.
        """
        this = asyncio.current_task()
        assert this is not None  # noqa: S101
        running = attempt.tools.running
        outside, before = surroundings.get(), running.get(this)
        running[this] = call.name
        try:
            for failures in range(policy.retries + 1):
                # In doubt it waits: an attempt that ended here would leave its task with a worker that may live on.
                await attempt.await_lease()
                limit = asyncio.timeout(policy.seconds)
                surroundings.set(Surroundings(self._gate, self._name, started=started))
                try:
                    with attempt.call(f"the tool {call.name!r}", policy.seconds, tool=call.name, once=once_started):
                        async with limit:
                            return await do()
                except (TaskInterruption, NotDone):
                    raise
                except NotKeepable as raised:
                    if once_started:
                        return done_but_not_kept(call, raised)
                    error = raised
                except AttemptFailed as raised:
                    error = raised
                except TimeoutError as raised:
                    words = f"did not come back within {policy.seconds:g} s"
                    if not limit.expired():
                        words = f"raised {type(raised).__name__}: {foreign_words(raised)}"
                    error = _failed(call, words, FailureClass.TOOL_TIMED_OUT, raised)
                except Exception as raised:
                    words = f"raised {type(raised).__name__}: {foreign_words(raised)}"
                    error = _failed(call, words, FailureClass.TOOL_CALL_FAILED, raised)
                except (SystemExit, KeyboardInterrupt) as raised:
                    # It would leave the event loop and take every other task with it.
                    words = f"raised {type(raised).__name__}: {foreign_words(raised)}"
                    error = _failed(call, words, FailureClass.TOOL_CALL_FAILED, raised)
                if once_started and error.failure.is_retried:
                    raise EffectUnknown(
                        f"{error.message}; it must happen only once (a tool that is not declared otherwise counts so): "
                        "look whether it happened, then cancel the task",
                        tool=call.name,
                    ) from error
                if failures == policy.retries:
                    raise error
            raise AssertionError("unreachable: the last try returns or raises")
        finally:
            surroundings.set(outside)
            if before is None:
                del running[this]
            else:
                running[this] = before


def _failed(call: ToolCall, words: str, failure: FailureClass, raised: BaseException) -> AttemptFailed:
    error = ToolCallFailed(f"the tool {call.name!r} {words}", failure, tool=call.name)
    error.__cause__ = raised
    return error
