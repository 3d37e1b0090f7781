"""Runs a plain `async def reply(ctx, message)`: what goes through `ctx` is in the journal."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar, cast

import orjson

from roadworthy.core.execution.gate import Finished, Gate, Start
from roadworthy.core.model_gateway.model_call import ModelCall, ModelReply
from roadworthy.core.model_gateway.reply_stream import ReplyStream
from roadworthy.core.model_gateway.token_estimate import estimated_tokens
from roadworthy.core.tool_gateway.tool_call import ToolCall, ToolReply, canonical
from roadworthy.domain.effect import NotDone, Outcome
from roadworthy.domain.errors import ArgumentsRefused, NotKeepable, ToolCallFailed
from roadworthy.domain.event import EventKind
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.journal import JournalEntry, within
from roadworthy.domain.keepable import with_whole_characters
from roadworthy.domain.model_input import ModelInput, NamedModel, ProviderCall
from roadworthy.domain.service import AgentService
from roadworthy.domain.task import Turn
from roadworthy.frameworks.code_digest import code_digest
from roadworthy.frameworks.error_class import agent_failure, model_failure, tool_failure
from roadworthy.frameworks.json_arguments import given_by_code
from roadworthy.frameworks.wire_reply import calls_in, has_acted, is_cut, is_whole, text_in, usage_in

Result = TypeVar("Result")
CallOf = (
    Callable[[Callable[[str], None]], Awaitable[Result]]
    | Callable[[Callable[[str], None], ProviderCall], Awaitable[Result]]
)
FRAMEWORK = "function"
_INSTEAD = b"!"
"""Before what stands in a result's place: no JSON begins with it."""


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
        self.tier = gate.tier
        """How hard the request was found: `simple`, `moderate` or `complex`; None where the service has no models."""
        self._least_tokens = estimated_tokens(
            len(start.input.encode(errors="surrogatepass")) + sum(len(turn.payload) for turn in start.history)
        )
        """What a model is likely to be sent at least, where nobody says."""
        self.metadata: dict[str, Any] = orjson.loads(task.metadata)
        self.started_at = start.at
        """Seconds since 1970 when the task was first started: the same after a crash."""
        self.history: list[dict[str, Any]] = [message for turn in start.history for message in messages_of(turn)]
        """`{"role": "user" | "assistant", "content": …}` of the session so far."""

    async def model(
        self, name: str, call: CallOf[Result], *, request: Any = None, max_output_tokens: int | None = None
    ) -> Result:
        """What `call` returns; after a crash it is taken from the journal instead of calling again.

        `call` gets a function for text as it streams and, if it takes a second argument, a ProviderCall: then the
        models of the service's tiers are tried one after the other, and it must use the one named there and heed the
        limit of its output. It returns JSON types; of a reply in the shape of OpenAI's chat completions or Anthropic's
        messages the text, tool calls and usage are recognised. Errors of provider clients, HTTP libraries and
        connections are sorted into classes (`FailureClass`), some of which are tried again; everything else that
        `call` raises ends the task.

        `request` is what `call` sends, as JSON types: how much it may cost is reckoned from it, and replies are cached
        only where it is given. `max_output_tokens` is the limit that `call` sets itself.
        """
        ask: Callable[..., Awaitable[Result]] = call
        made: list[tuple[ModelReply, Result]] = []
        takes_call = takes_provider_call(call)

        async def make(provider_call: ProviderCall, stream: ReplyStream) -> ModelReply:
            def show(text: str) -> None:
                stream(EventKind.TEXT, text)

            model = provider_call.model
            try:
                result: Result = await (ask(show, provider_call) if takes_call else ask(show))
            except Exception as error:
                if (failed := model_failure(error, model)) is None:
                    raise
                raise failed from error
            payload = _encoded(result, f"the reply of the model {model!r}")
            reply = ModelReply(
                payload=payload,
                model=model,
                text=text_in(result),
                tool_calls=calls_in(result),
                usage=usage_in(result),
                is_cut=is_cut(result),
                is_whole=is_whole(result),
                has_acted=has_acted(result),
            )
            made.append((reply, result))
            return reply

        asked = self._asked(name, request, max_output_tokens)

        async def do(model_call: ModelCall) -> ModelReply:
            return await model_call.answer(asked, make, self._gate.chain if takes_call else ())

        payload = await self._gate.model(do)
        # Of several calls the last one was answered; where the journal answered, or a cache, there was none.
        return made[-1][1] if made and made[-1][0].payload is payload else orjson.loads(payload)

    def _asked(self, name: str, request: Any, max_output_tokens: int | None) -> ModelInput:
        if request is None:
            return ModelInput(
                name, self._least_tokens, max_output_tokens, "", bytes, streams=False, can_be_cached=False
            )
        sent = canonical(request)
        return ModelInput(
            model=name,
            input_tokens=estimated_tokens(len(sent)),
            output_tokens=max_output_tokens,
            question="",
            surroundings=lambda: canonical([request, max_output_tokens]),
            streams=False,
        )

    async def tool(self, function: Callable[..., Any], /, **arguments: Any) -> Any:
        """What `function(**arguments)` returns, as JSON types; after a crash it is taken from the journal.

        A plain `def` runs in a thread. Its effect is what the service's ToolPolicy of that name says. Raises NotDone
        where it certainly did not happen, ToolCallFailed where a person did not allow it. Its arguments are data: JSON
        types, dates, dataclasses, pydantic models.
        """
        name = function.__name__
        place = (self._gate.step, name)
        self._calls[place] += 1

        async def do(given: Mapping[str, Any] = arguments) -> ToolReply:
            try:
                if inspect.iscoroutinefunction(function):
                    result = await function(**given)
                else:
                    work = partial(copy_context().run, partial(function, **given))
                    result = await asyncio.get_running_loop().run_in_executor(self._gate.threads, work)
            except Exception as error:
                if (failed := tool_failure(error, name)) is None:
                    raise
                raise failed from error
            payload = _encoded(result, f"the result of the tool {name!r}")
            return ToolReply(payload, orjson.loads(payload))

        async def with_arguments(given: Any) -> Callable[[], Awaitable[ToolReply]]:
            _check_arguments(function, given)
            return partial(do, given)

        call = ToolCall(
            name,
            f"{name}#{self._calls[place]}",
            given_by_code(name, arguments),
            asked_by_model=False,
            runs_in_thread=not inspect.iscoroutinefunction(function),
            answer=partial(_answer, name),
            with_arguments=with_arguments,
        )
        # Also the first time not the tool's own object: after a crash there is none.
        return _result_in(await self._gate.tool(call, do), name)


class FunctionRunner:
    """Runs one service whose agent is an async function of `(ctx, message)` or of `(message)`."""

    framework = FRAMEWORK

    def __init__(self, service: AgentService) -> None:
        self._function = service.agent
        tiers = () if service.models is None else service.models.all
        self.own_models: Sequence[NamedModel] = tuple(map(NamedModel, tiers))
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
        gate.took_last_reply()
        return Finished(answer, _turn(start.input, output))

    def unfinished_turn(self, input: str, entries: Sequence[JournalEntry]) -> Turn:
        own = [entry for entry in entries if not within(entry).startswith("t")]
        said = [text for entry in own for kind, text in entry.detail.get("pieces", ()) if kind == EventKind.TEXT]
        return _turn(input, said[-1] if said else "The task ended before there was an answer.")


def takes_provider_call(call: Callable[..., Any]) -> bool:
    """Whether it must be given a second argument; one with a default is its own affair (`lambda stream, m=mine: …`)."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in positional and one.default is one.empty for one in parameters) > 1


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


def _check_arguments(function: Callable[..., Any], given: Any) -> None:
    if not isinstance(given, dict):
        raise ArgumentsRefused("arguments are a JSON object, from names to values")
    try:
        inspect.signature(function).bind(**cast(dict[str, Any], given))
    except TypeError as error:
        raise ArgumentsRefused(str(error)) from error


def _answer(tool: str, outcome: Outcome, value: Any) -> ToolReply:
    """Of a call that no tool answered."""
    if outcome in (Outcome.DONE, Outcome.FALLBACK):
        return ToolReply(_encoded(value, f"the result of the tool {tool!r}"), value, outcome)
    return ToolReply(_INSTEAD + orjson.dumps({"outcome": outcome, "words": value}), value, outcome)


def _result_in(payload: bytes, tool: str) -> Any:
    if not payload.startswith(_INSTEAD):
        return orjson.loads(payload)
    told = orjson.loads(payload[len(_INSTEAD) :])
    if told["outcome"] == Outcome.NOT_DONE:
        raise NotDone(told["words"])
    denied = told["outcome"] == Outcome.DENIED
    failure = FailureClass.TOOL_CALL_DENIED if denied else FailureClass.TOOL_CALL_FAILED
    raise ToolCallFailed(told["words"], failure, tool=tool)


def _encoded(value: Any, what: str) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as error:
        with suppress(TypeError, RecursionError):
            return orjson.dumps(with_whole_characters(value))
        raise NotKeepable(f"{what} can't be kept in the journal ({error}); return JSON types") from error
