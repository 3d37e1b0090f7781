"""`gate.tool`: one tool call, from the journal if it was made before, and never twice where it must not be."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from roadworthy.core.attempt import HAVE_TO_WAIT, Attempt
from roadworthy.core.scope import Scope, surroundings
from roadworthy.core.tool_gateway.equal_calls import EqualCall, EqualCalls, call_digest
from roadworthy.core.tool_gateway.unfinished_call import UnfinishedCall
from roadworthy.domain.decision import About
from roadworthy.domain.effect import Outcome
from roadworthy.domain.errors import AttemptFailed, TaskInterruption
from roadworthy.domain.journal import JournalEntry

_HOPS_UNTIL_SIBLINGS_STARTED = 3


@dataclass(frozen=True, slots=True)
class ToolReply:
    """What a tool gave back, or what the agent gets in its place."""

    payload: bytes
    """What the framework needs to have the same result again."""
    result: Any
    """As JSON types, for people."""
    outcome: str = Outcome.DONE
    """Of `domain/effect.py`."""
    content: Any = None
    """What the model gets beside the result, as JSON types."""
    has_media: bool = False
    """Whether pictures, sound or documents are among it."""
    is_mended: bool = False
    """Whether it says something else than the tool, because that could not be kept."""


Do = Callable[[], Awaitable[ToolReply]]


def plain_answer(outcome: Outcome, value: Any) -> ToolReply:
    """The payload is the value itself."""
    return ToolReply(orjson.dumps(value), value, outcome)


@dataclass(frozen=True, slots=True)
class ToolCall:
    name: str
    call_id: str
    """Unique within the step."""
    arguments: bytes
    """JSON with sorted keys."""
    asked_by_model: bool = True
    """Then its arguments stand in the model's reply."""
    is_output: bool = False
    """Whether its result is the agent's answer: no model sees it."""
    runs_in_thread: bool = False
    """Its tool is a plain function: it begins once it has a thread."""
    answer: Callable[[Outcome, Any], ToolReply] = plain_answer
    """What the agent gets where no tool answered. The value is a result (`done`, `fallback`), or words that say why
    there is none."""
    with_arguments: Callable[[Any], Awaitable[Do]] | None = None
    """The same call with other arguments, which a person gave it. ArgumentsRefused if the tool does not take them; None
    where nobody may change them."""
    asks: About | None = None
    """What the agent itself wants a person to be asked, whatever the policy says; its tool knows of the approval."""
    as_allowed: Callable[[], Exception] | None = None
    """What has the framework make the call again, telling its tool that it is allowed."""


class ToolCalls:
    """The tool calls of one run of an agent."""

    def __init__(self, attempt: Attempt, scope: Scope, gate: Any) -> None:
        self._attempt = attempt
        self._scope = scope
        self._gate = gate
        self._equal_calls = EqualCalls()
        self._under_way: Counter[str] = Counter()
        """By the call within which they were made: that one is under way itself until they are over."""
        self._has_to_wait = False
        self._settled = asyncio.Event()

    async def call(self, call: ToolCall, do: Do) -> bytes:
        """The result's payload, once it is in the journal.

        Raises ToolCallFailed for an error that the model is not told, EffectUnknown or TooSoonToKnow for a `once` call
        that was started and did not come back, DecisionNeeded for one that a person is asked about, TaskInterruption
        when the attempt must end. An error is held until the other calls of the same reply have settled, because it
        would cancel them in the middle of their effects; where one of them has the task wait, that is raised.
        """
        try:
            return await self._call(call, do)
        except (AttemptFailed, TaskInterruption) as raised:
            error = raised
        except asyncio.CancelledError:
            # Code that goes on without it must not begin the same once more.
            self._attempt.begins_nothing |= self._attempt.waits_for is not None
            raise
        raise await self._held(error)

    async def _held(self, error: AttemptFailed | TaskInterruption) -> AttemptFailed | TaskInterruption:
        attempt = self._attempt
        attempt.raised = error
        attempt.has_to_wait(error)
        if isinstance(error, HAVE_TO_WAIT):
            attempt.told_to_wait()
        for _ in range(_HOPS_UNTIL_SIBLINGS_STARTED):
            await asyncio.sleep(0)
        self._has_to_wait = attempt.waits_for is not None
        around = _call_around()
        while self._under_way[around]:
            self._settled.clear()
            await self._settled.wait()
        if attempt.waits_for is not None and isinstance(error, AttemptFailed | HAVE_TO_WAIT):
            attempt.told_to_wait()
            return attempt.waits_for
        return error

    async def _call(self, call: ToolCall, do: Do) -> bytes:
        attempt, scope = self._attempt, self._scope
        place = f"{scope.steps}:{call.call_id}"
        result = scope.name(f"t{place}")
        digest = call_digest(call.name, call.arguments)
        repeats = not call.asked_by_model or attempt.service.policy(call.name).repeatable
        equal = self._equal_calls.arrived(digest, result, scope.steps, repeats=repeats)
        if entry := attempt.replayed(result):
            attempt.journal_check.same(entry, "digest", digest)
            self._replayed(call, equal, entry)
            scope.link(entry.name, entry.payload)
            return entry.payload
        if (self._has_to_wait or attempt.begins_nothing) and attempt.waits_for is not None:
            # The agent goes on although it was told to wait.
            raise attempt.waits_for
        around = _call_around()
        self._under_way[around] += 1
        try:
            return await UnfinishedCall(attempt, scope, self._gate, call, place, digest, equal).finish(
                self._equal_calls, do
            )
        finally:
            equal.is_over = True
            self._under_way[around] -= 1
            if not self._under_way[around]:
                self._settled.set()

    def _replayed(self, call: ToolCall, equal: EqualCall, entry: JournalEntry) -> None:
        if call.asked_by_model and "arguments" in entry.detail:
            given = orjson.dumps(entry.detail["arguments"], option=orjson.OPT_SORT_KEYS)
            self._equal_calls.edited(call.name, call.arguments, given, equal)
        equal.ended(entry.detail["outcome"])


def _call_around() -> str:
    """The journal name of the tool call whose code makes this one; empty for the agent's own."""
    return "" if (here := surroundings.get()) is None else here.call


def canonical(arguments: object) -> bytes:
    """JSON with sorted keys: equal arguments give equal bytes. Anything that is not JSON is given by its `repr`."""
    return orjson.dumps(arguments, default=repr, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
