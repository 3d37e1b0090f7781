"""Runs a plain `async def reply(ctx, message)`: what goes through `ctx` is in the journal."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

import orjson

from roadworthy.core.attempt import TextStream
from roadworthy.core.execution.gate import Finished, Gate, Start
from roadworthy.core.model_gateway.model_call import ModelCall, ModelReply
from roadworthy.core.tool_gateway.tool_call import ToolCall, ToolReply, canonical
from roadworthy.domain.errors import NotKeepable
from roadworthy.domain.event import EventKind
from roadworthy.domain.journal import JournalEntry, within
from roadworthy.domain.model_input import ModelInput, ProviderCall
from roadworthy.domain.service import AgentService
from roadworthy.domain.task import Turn
from roadworthy.frameworks.code_digest import code_digest
from roadworthy.frameworks.error_class import agent_failure, model_failure, tool_failure
from roadworthy.frameworks.wire_reply import calls_in, text_in, usage_in

Result = TypeVar("Result")
FRAMEWORK = "function"


class TaskContext:
    """What a plain function gets as its first argument."""

    def __init__(self, gate: Gate, start: Start) -> None:
        task = gate.task
        self._gate = gate
        self._calls: Counter[tuple[int, str]] = Counter()
        self.task_id = str(task.id)
        self.session_id = str(task.session_id)
        self.tenant = task.principal.tenant
        self.user = task.principal.user
        self.metadata: dict[str, Any] = orjson.loads(task.metadata)
        self.started_at = start.at
        """Seconds since 1970 when the task was first started: the same after a crash."""
        self.history: list[dict[str, Any]] = [message for turn in start.history for message in messages_of(turn)]
        """`{"role": "user" | "assistant", "content": …}` of the session so far."""

    async def model(self, name: str, call: Callable[[Callable[[str], None]], Awaitable[Result]]) -> Result:
        """What `call` returns; after a crash it is taken from the journal instead of calling again.

        `call` gets a function for text as it streams. It returns JSON types; of a reply in the shape of OpenAI's
        chat completions or Anthropic's messages the text, tool calls and usage are recognised. Errors of
        provider clients, HTTP libraries and connections are sorted into classes (`FailureClass`), some of which are
        tried again later; everything else that `call` raises ends the task.
        """
        fresh: list[Result] = []

        async def make(_: ProviderCall, stream: TextStream) -> ModelReply:
            try:
                reply = await call(lambda text: stream(EventKind.TEXT, text))
            except Exception as error:
                if (failed := model_failure(error, name)) is None:
                    raise
                raise failed from error
            fresh.append(reply)
            payload = _encoded(reply, f"the reply of the model {name!r}")
            return ModelReply(payload, name, text_in(reply), calls_in(reply), usage_in(reply))

        async def do(model_call: ModelCall) -> ModelReply:
            input = ModelInput(name, 0, None, "", bytes, streams=False)
            return await model_call.answer(input, make)

        payload = await self._gate.model(do)
        return fresh[0] if fresh else orjson.loads(payload)

    async def tool(self, function: Callable[..., Any], /, **arguments: Any) -> Any:
        """What `function(**arguments)` returns; after a crash it is taken from the journal.

        A plain `def` runs in a thread. Its effect is what the service's ToolPolicy of that name says.
        """
        name = function.__name__
        place = (self._gate.step, name)
        self._calls[place] += 1
        call = ToolCall(name, f"{name}#{self._calls[place]}", canonical(arguments), asked_by_model=False)
        fresh: list[Any] = []

        async def do() -> ToolReply:
            try:
                if inspect.iscoroutinefunction(function):
                    result = await function(**arguments)
                else:
                    work = partial(copy_context().run, partial(function, **arguments))
                    result = await asyncio.get_running_loop().run_in_executor(self._gate.threads, work)
            except Exception as error:
                if (failed := tool_failure(error, name)) is None:
                    raise
                raise failed from error
            payload = _encoded(result, f"the result of the tool {name!r}")
            fresh.append(result)
            return ToolReply(payload, orjson.loads(payload))

        payload = await self._gate.tool(call, do)
        return fresh[0] if fresh else orjson.loads(payload)


class FunctionRunner:
    """Runs one service whose agent is an async function of `(ctx, message)` or of `(message)`."""

    framework = FRAMEWORK
    own_models = ()

    def __init__(self, service: AgentService) -> None:
        self._function = service.agent
        self._takes_context = len(inspect.signature(service.agent).parameters) > 1
        self.code = code_digest([service.agent])

    @staticmethod
    def serves(agent: Any) -> bool:
        return inspect.iscoroutinefunction(agent) and 1 <= len(inspect.signature(agent).parameters) <= 2

    async def run(self, gate: Gate, start: Start) -> Finished:
        arguments = (TaskContext(gate, start), start.input) if self._takes_context else (start.input,)
        try:
            output = await self._function(*arguments)
        except Exception as error:
            if (failed := agent_failure(error)) is None:
                raise
            raise failed from error
        answer = _encoded(output, "the agent's answer")
        return Finished(answer, _turn(start.input, output))

    def unfinished_turn(self, input: str, entries: Sequence[JournalEntry]) -> Turn:
        own = [entry for entry in entries if not within(entry).startswith("t")]
        said = [text for entry in own for kind, text in entry.detail.get("pieces", ()) if kind == EventKind.TEXT]
        return _turn(input, said[-1] if said else "The task ended before there was an answer.")


def messages_of(turn: Turn) -> list[dict[str, Any]]:
    """What was said in a turn, whichever framework wrote it."""
    messages: list[dict[str, Any]] = orjson.loads(turn.payload)
    if turn.framework == FRAMEWORK:
        return messages
    roles: Mapping[str, str] = {"user-prompt": "user", "text": "assistant"}
    return [
        {"role": roles[part["part_kind"]], "content": part["content"]}
        for message in messages
        for part in message.get("parts", ())
        if part.get("part_kind") in roles
    ]


def _turn(input: str, output: Any) -> Turn:
    said = [{"role": "user", "content": input}, {"role": "assistant", "content": output}]
    return Turn(FRAMEWORK, orjson.dumps(said))


def _encoded(value: Any, what: str) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise NotKeepable(f"{what} can't be kept in the journal ({error}); return JSON types") from error
