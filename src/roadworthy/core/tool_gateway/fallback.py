"""What answers in the place of a tool that failed, or that is left alone for a while."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import orjson
import structlog

from roadworthy.core.attempt import Attempt
from roadworthy.core.scope import Surroundings, surroundings
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.core.tool_gateway.last_results import Asked
from roadworthy.domain.effect import Outcome, StartedCall
from roadworthy.domain.errors import AttemptFailed, InternalError, NotKeepable, TaskInterruption
from roadworthy.domain.keepable import foreign_words
from roadworthy.domain.service import ToolPolicy

if TYPE_CHECKING:
    from roadworthy.core.tool_gateway.tool_call import ToolCall, ToolReply

_UNITS = ((86_400, "days"), (3600, "hours"), (60, "minutes"))

log = structlog.get_logger()


class Fallback:
    """Of one tool call: `gate` is the one that it goes through, `name` the journal name of its result."""

    def __init__(
        self,
        gate: Any,
        name: str,
        attempt: Attempt,
        gateway: ToolGateway,
        call: ToolCall,
        started: StartedCall | None,
        policy: ToolPolicy,
    ) -> None:
        self._gate = gate
        self._name = name
        self._attempt = attempt
        self._gateway = gateway
        self._call = call
        self._started = started
        self._policy = policy

    async def reply(self, error: AttemptFailed) -> ToolReply | None:
        """None where there is none, or it fails too. Raises TaskInterruption when the attempt must end."""
        if self._policy.fallback is None or isinstance(error, InternalError | NotKeepable):
            return None
        match self._policy.fallback:
            case "skip":
                value = self._for_model(f"{self._call.name} is not available right now; go on without it.")
            case "cached":
                last = await self._gateway.last_results.find(asked(self._attempt, self._call))
                if last is None:
                    return None
                value = self._with_age(last.result, last.seconds)
            case function:
                try:
                    reply = self._call.answer(Outcome.FALLBACK, await self._made_by(function))
                except TaskInterruption:
                    raise
                except Exception as failed:
                    log.warning(
                        "tool_fallback_failed",
                        task_id=str(self._attempt.task.id),
                        agent=self._attempt.service.name,
                        tool=self._call.name,
                        error=f"{type(failed).__name__}: {foreign_words(failed)}",
                    )
                    return None
                return self._logged(error, reply)
        return self._logged(error, self._call.answer(Outcome.FALLBACK, value))

    def _logged(self, error: AttemptFailed, reply: ToolReply) -> ToolReply:
        log.warning(
            "tool_fallback_answered",
            task_id=str(self._attempt.task.id),
            agent=self._attempt.service.name,
            tool=self._call.name,
            error=error.message,
        )
        return reply

    def _for_model(self, words: str) -> str | None:
        """Code has no use for words."""
        return words if is_read_by_model(self._call) else None

    def _with_age(self, result: Any, seconds: float) -> Any:
        if not is_read_by_model(self._call):
            return result
        note = f"{self._call.name} is not available right now. This is what it said {_age(seconds)} ago."
        return {"note": note, "result": result}

    async def _made_by(self, function: Callable[..., Any]) -> Any:
        seconds, call = self._policy.seconds, self._call
        arguments = orjson.loads(call.arguments)
        work = partial(function, **arguments) if isinstance(arguments, dict) else partial(function, arguments)
        # Agents that it runs are others than those of the tool.
        surroundings.set(Surroundings(self._gate, f"{self._name}/fallback", started=self._started))
        this = asyncio.current_task()
        cancelling = this.cancelling() if this is not None else 0
        try:
            with self._attempt.call(f"the fallback of the tool {call.name!r}", seconds, tool=call.name):
                async with asyncio.timeout(seconds):
                    if inspect.iscoroutinefunction(function):
                        return await work()
                    in_thread = partial(copy_context().run, cast(Callable[[], Any], work))
                    made = await asyncio.get_running_loop().run_in_executor(self._gate.threads, in_thread)
                    return await made if inspect.isawaitable(made) else made
        except (Exception, GeneratorExit):
            raise
        except asyncio.CancelledError:
            if this is not None and this.cancelling() > cancelling:
                raise
            raise RuntimeError("it cancelled itself") from None
        except BaseException as raised:
            raise RuntimeError(f"it raised {type(raised).__name__}: {foreign_words(raised)}") from raised


def asked(attempt: Attempt, call: ToolCall) -> Asked:
    return Asked(attempt.task.principal, attempt.service.name, call.name, call.arguments)


def is_read_by_model(call: ToolCall) -> bool:
    return call.asked_by_model and not call.is_output


def _age(seconds: float) -> str:
    for length, unit in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 1):.0f} seconds"
