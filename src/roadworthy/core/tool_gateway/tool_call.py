"""`gate.tool`: one tool call, from the journal if it was made before, and never twice where it must not be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from roadworthy.core.attempt import Attempt, Draft
from roadworthy.core.scope import Scope
from roadworthy.core.tool_gateway.tries import Tries
from roadworthy.domain.decision import About
from roadworthy.domain.effect import Outcome
from roadworthy.domain.errors import AttemptFailed, EffectUnknown, TaskInterruption
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.service import ToolPolicy

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
    answer: Callable[[Outcome, Any], ToolReply] = plain_answer
    """What the agent gets where no tool answered. The value is a result (`done`, `fallback`), or words that say why
    there is none."""
    with_arguments: Callable[[Any], Awaitable[Do]] | None = None
    """The same call with other arguments, which a person gave it. ArgumentsRefused if the tool does not take them; None
    where nobody may change them."""
    asks: About | None = None
    """What the agent itself wants a person to be asked, whatever the policy says."""


class ToolCalls:
    """The tool calls of one run of an agent."""

    def __init__(self, attempt: Attempt, scope: Scope, gate: Any) -> None:
        self._attempt = attempt
        self._scope = scope
        self._gate = gate
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def call(self, call: ToolCall, do: Callable[[], Awaitable[ToolReply]]) -> bytes:
        """The result's payload, once it is in the journal.

        Raises ToolCallFailed for an error that the model is not told, EffectUnknown for a `once` call that was
        started before and did not come back, TaskInterruption when the attempt must end. An error is held until
        the other calls of the same reply have settled, because it would cancel them in the middle of their effects.
        """
        try:
            return await self._call(call, do)
        except (AttemptFailed, TaskInterruption):
            for _ in range(_HOPS_UNTIL_SIBLINGS_STARTED):
                await asyncio.sleep(0)
            await self._idle.wait()
            raise

    async def _call(self, call: ToolCall, do: Callable[[], Awaitable[ToolReply]]) -> bytes:
        attempt, policy = self._attempt, self._attempt.service.policy(call.name)
        suffix = f"{self._scope.steps}:{call.call_id}"
        digest = blake2b(call.name.encode() + b"\0" + call.arguments, digest_size=12).hexdigest()
        if entry := attempt.replayed(self._scope.name(f"t{suffix}")):
            attempt.journal_check.same(entry, "digest", digest)
            self._scope.link(entry.name, entry.payload)
            return entry.payload
        if attempt.replayed(self._scope.name(f"s{suffix}")):
            raise EffectUnknown(
                f"the tool {call.name!r} must happen only once; it was started with {_shortened(call.arguments)} "
                "and did not come back: look whether it happened, then cancel the task",
                tool=call.name,
            )
        await attempt.journal_check.nothing_left_out()
        await attempt.permit()
        self._under_way += 1
        self._idle.clear()
        try:
            return await self._run(call, do, policy, suffix, digest)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _run(
        self, call: ToolCall, do: Callable[[], Awaitable[ToolReply]], policy: ToolPolicy, suffix: str, digest: str
    ) -> bytes:
        attempt, scope = self._attempt, self._scope
        result = scope.name(f"t{suffix}")
        shown: dict[str, Any] = {
            **scope.detail,
            "step": scope.steps,
            "call_id": call.call_id,
            "tool": call.name,
            "effect": policy.effect,
        }
        if policy.effect != "read" or not call.asked_by_model:
            # For the person who decides whether this may happen once more.
            shown["arguments"] = orjson.loads(call.arguments)
        if policy.effect != "read":
            attempt.has_written = True
        once = policy.effect == "once"
        attempt.tools.once_under_way += once
        try:
            if once:
                started_entry = Draft(scope.name(f"s{suffix}"), EntryKind.STARTED, b"", shown | {"digest": digest})
                await attempt.record(started_entry)
                # Only a lost lease stops what is marked as started: nobody could tell later that it was not done.
                await attempt.await_lease()
            started = time.monotonic()
            reply = await Tries(self._gate, result).result(
                attempt, self._gate.tool_gateway, call, None, policy, do, once_started=once
            )
            seconds = round(time.monotonic() - started, 3)
            detail = shown | {"outcome": reply.outcome, "result": reply.result, "seconds": seconds, "digest": digest}
            await attempt.record(Draft(result, EntryKind.TOOL, reply.payload, detail))
        finally:
            # Not before the result is in the journal: without it the call would count as unknown.
            attempt.tools.once_under_way -= once
            if once and not attempt.tools.once_under_way:
                attempt.tools.when_no_once_runs()
        scope.link(result, reply.payload)
        return reply.payload


def canonical(arguments: object) -> bytes:
    """JSON with sorted keys: equal arguments give equal bytes. Anything that is not JSON is given by its `repr`."""
    return orjson.dumps(arguments, default=repr, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def _shortened(arguments: bytes) -> str:
    text = arguments.decode()
    return text if len(text) <= 200 else text[:199] + "…"
