"""One tool call that has no result in the journal: whether it may be made, was begun before, or waits for a person."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from roadworthy.core.attempt import Attempt, Draft
from roadworthy.core.scope import Scope
from roadworthy.core.tool_gateway.approval import why_asked
from roadworthy.core.tool_gateway.equal_calls import EqualCall, EqualCalls, idempotency_key
from roadworthy.core.tool_gateway.reconciling import reconciled
from roadworthy.core.tool_gateway.results import ShownResult, done_but_not_kept, shown_result
from roadworthy.core.tool_gateway.tool_threads import LatestStart, latest_start
from roadworthy.core.tool_gateway.tries import Tries
from roadworthy.domain.decision import FITTING, About, Decision, Verdict
from roadworthy.domain.effect import Done, NotDone, Outcome, StartedCall
from roadworthy.domain.errors import (
    ArgumentsRefused,
    AskedByTool,
    AttemptFailed,
    DecisionNeeded,
    EffectUnknown,
    NotKeepable,
    RoadworthyError,
    TaskInterruption,
    TooSoonToKnow,
)
from roadworthy.domain.journal import EntryKind, JournalEntry, key_in
from roadworthy.domain.keepable import foreign_words
from roadworthy.domain.service import ToolPolicy

if TYPE_CHECKING:
    from roadworthy.core.tool_gateway.tool_call import Do, ToolCall, ToolReply

_STARTS, _QUESTIONS = "spq", "wxy"
"""What names begin with of entries that start a call, or ask people about it. More than one of a kind is rare: a tool
that was begun may itself want to be allowed, and one that was allowed may not come back."""
_HEARD = "h"
"""One at most: what it was heard of is not started once more."""
_A_MOMENT = 0.1
"""The next attempt counts from when it heard of its claim, so its clock is behind the store's: without a moment more it
would often come too soon once again."""
_HOW_TO_DECIDE = "look whether it happened, then decide (roadworthy decide, or POST /v1/tasks/{id}/decisions)"


class UnfinishedCall:
    """`place` is what its journal names have in common: `3:call_abc`."""

    def __init__(
        self, attempt: Attempt, scope: Scope, gate: Any, call: ToolCall, place: str, digest: str, equal: EqualCall
    ) -> None:
        self._attempt = attempt
        self._scope = scope
        self._gate = gate
        self._call = call
        self._policy: ToolPolicy = attempt.service.policy(call.name)
        self._place = place
        self._digest = digest
        self._equal = equal
        self._arguments = call.arguments
        """Those that it is made with: a person may have given it others."""
        self._equal_calls: EqualCalls | None = None
        self._began: float | None = None
        """When it was about to be written down, by this process's clock, that it is called; None where it isn't."""
        self._may_have_happened = False
        """It was started, or is about to be, and its result is not kept yet."""
        self._finds_out = False
        """Its reconcile function is being asked."""
        self._detail: dict[str, Any] = {
            **scope.detail,
            "step": scope.steps,
            "call_id": call.call_id,
            "tool": call.name,
            "effect": self._policy.effect,
        }

    async def finish(self, equal_calls: EqualCalls, do: Do) -> bytes:
        """The result's payload, once it is in the journal."""
        try:
            return await self._finished(equal_calls, do)
        except asyncio.CancelledError:
            # By code of the agent's, perhaps, which goes on.
            if self._may_have_happened:
                self._attempt.has_to_wait(self._lost_sight_of())
                self._attempt.told_to_wait()
            raise

    async def _finished(self, equal_calls: EqualCalls, do: Do) -> bytes:
        self._equal_calls = equal_calls
        # Before it is asked what the code leaves out: it came to these.
        started, asked = self._last(_STARTS), self._last(_QUESTIONS)
        await self._attempt.journal_check.nothing_left_out()
        await self._attempt.permit()
        if started is not None and not self._equal.is_withdrawn and not _asked_since(started, asked):
            self._may_have_happened = True
            return await self._found_out(started, asked)
        if asked is not None:
            return await self._answered(asked, do)
        if self._policy.effect == "once" and (first := equal_calls.done_before(self._digest, self._equal)):
            return await self._met(first)
        if (words := await self._why_asked()) is not None:
            about = self._call.asks or "approval"
            raise await self._ask(about, words)
        return await self._make(do, None)

    # Whether it may be made

    async def _why_asked(self) -> str | None:
        if self._call.asks is not None:
            return "the agent itself wants a person to be asked"
        if self._policy.approval == "never":
            return None
        return await why_asked(self._policy, orjson.loads(self._arguments))

    async def _answered(self, asked: JournalEntry, do: Do) -> bytes:
        about: About = asked.detail["about"]
        decision = self._decision(about)
        if decision is None:
            raise self._needed(about, asked.detail.get("words", ""))
        if decision.verdict is not Verdict.APPROVE:
            return await self._decided(decision)
        if "by_tool" in asked.detail and self._call.asks is None and self._call.as_allowed is not None:
            raise self._call.as_allowed()
        if decision.value is not None:
            try:
                do = await self._with_arguments(decision.value)
            except ArgumentsRefused as error:
                words = f"{self._call.name} was allowed with other arguments, which it does not take: {error.message}"
                return await self._record(self._call.answer(Outcome.FAILED, words), **_shown(decision))
        return await self._make(do, decision)

    async def _with_arguments(self, value: bytes) -> Do:
        if self._call.with_arguments is None:
            raise ArgumentsRefused("the arguments of this call can't be changed")
        arguments = orjson.loads(value)
        do = await self._call.with_arguments(arguments)
        self._take(orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS))
        return do

    def _take(self, arguments: bytes) -> None:
        if self._equal_calls is not None:
            self._equal_calls.edited(self._call.name, self._arguments, arguments, self._equal)
        self._arguments = arguments
        # Its fallback answers for these, and its result is kept under them.
        self._call = replace(self._call, arguments=arguments)

    async def _met(self, first: EqualCall) -> bytes:
        """What the model asks for once more is done already: it gets that result."""
        entry = self._attempt.replayed(first.result)
        assert entry is not None  # noqa: S101
        detail = self._with_arguments_shown() | {
            "outcome": entry.detail["outcome"],
            "result": entry.detail["result"],
            "seconds": 0.0,
            "digest": self._digest,
            "same_as": entry.name,
        }
        return await self._write(entry.payload, detail)

    # Making it

    async def _make(self, do: Do, decision: Decision | None) -> bytes:
        attempt, policy = self._attempt, self._policy
        async with self._gate.tool_gateway.bounds.of(attempt, self._call.name, policy):
            await attempt.permit()
            if policy.effect == "read":
                return await self._run(do, decision)
            attempt.has_written = True
            if policy.effect == "idempotent":
                return await self._run(do, decision)
            tools = attempt.tools
            tools.once_under_way += 1
            try:
                return await self._run(do, decision)
            finally:
                # Not before the result is in the journal: without it the call would count as unknown.
                tools.once_under_way -= 1
                if not tools.once_under_way:
                    tools.when_no_once_runs()

    async def _run(self, do: Do, decision: Decision | None) -> bytes:
        attempt, gateway, policy = self._attempt, self._gate.tool_gateway, self._policy
        is_once = policy.effect == "once"
        started = self._started_call()
        came = time.monotonic()
        try:
            reply = await Tries(self._gate, self._equal.result).result(
                attempt,
                gateway,
                self._call,
                started,
                policy,
                partial(self._done_in_time if is_once else self._done, do),
                once_started=is_once,
                begin=partial(self._begin, started) if is_once else None,
            )
            # Also a fallback answers for no tool that has to wait.
            self._check_waits_within()
        except AskedByTool as error:
            return await self._asked_by_tool(error, decision)
        except (AttemptFailed, TaskInterruption) as error:
            waits_inside = error is attempt.waits_for
            if self._began is not None and (waits_inside or isinstance(error, AttemptFailed | EffectUnknown)):
                raise await self._unknown(error, self._began, waits_inside=waits_inside) from error
            raise
        seconds = round(time.monotonic() - came, 3)
        return await self._record(reply, seconds=seconds, **_shown(decision))

    async def _done(self, do: Do) -> ToolReply:
        try:
            reply = await do()
        except NotDone as said:
            reply = self._not_done(foreign_words(said))
        self._check_waits_within()
        return reply

    def _check_waits_within(self) -> None:
        """Raise what the task has to wait for, where this tool's code was told so and made something else of it."""
        attempt = self._attempt
        if attempt.waits_for is not None and attempt.waits_within(self._equal.result):
            raise attempt.waits_for

    async def _begin(self, started: StartedCall) -> None:
        """From here on nobody calls it again."""
        began = time.monotonic()
        detail = self._with_arguments_shown() | {
            "key": started.idempotency_key,
            "seconds": self._policy.seconds,
            "digest": self._digest,
        }
        self._may_have_happened = True
        await self._attempt.record(Draft(self._free(_STARTS), EntryKind.STARTED, b"", detail))
        self._began = began

    async def _done_in_time(self, do: Do) -> ToolReply:
        """A process that stood still must not act when others may have found out already that it did not."""
        lease = self._gate.tool_gateway.lease_seconds
        if self._began is None or time.monotonic() - self._began >= lease:
            return self._not_done(f"its worker stood still for more than {lease:g} s right before the call")
        if not self._call.runs_in_thread:
            return await self._done(do)
        words = f"its worker had no thread for it within {lease:g} s"
        before = latest_start.set(LatestStart(self._began + lease, words))
        try:
            return await self._done(do)
        finally:
            latest_start.reset(before)

    def _not_done(self, reason: str) -> ToolReply:
        name = self._call.name
        return self._call.answer(
            Outcome.NOT_DONE, f"{name} was not done: {reason}" if reason else f"{name} was not done"
        )

    async def _asked_by_tool(self, asks: AskedByTool, decision: Decision | None) -> bytes:
        """The tool has done nothing yet: it wants a person to be asked first."""
        if asks.about == "approval" and decision is not None:
            if self._call.asks is None:
                # Allowed already, and the tool doesn't know it: its framework tells it so when it is called again.
                self._equal.is_withdrawn = True
                raise asks.raised
            return await self._record(self._not_done("it asks to be allowed once more"), **_shown(decision))
        raise await self._ask(asks.about, asks.message, by_tool=True)

    # What became of one that was started

    async def _found_out(self, started: JournalEntry, asked: JournalEntry | None) -> bytes:
        if (decision := self._decision("effect")) is not None:
            if "arguments" in started.detail:
                # What was allowed is no longer said: what became of it counts for more.
                self._take(orjson.dumps(started.detail["arguments"], option=orjson.OPT_SORT_KEYS))
            return await self._decided(decision)
        if (allowed := self._decision("approval")) is not None and allowed.value is not None:
            # As they were: the journal does not say what is secret in them.
            self._take(allowed.value)
        call, policy = self._call, self._policy
        words = (
            f"the tool {call.name!r} must happen only once; attempt {started.attempt} started it with "
            f"{_shortened(call.arguments)}, and it did not come back"
        )
        if policy.reconcile is not None:
            lease = self._gate.tool_gateway.lease_seconds
            left = started.at + started.detail.get("seconds", policy.seconds) + lease - self._attempt.store_time
            if left > 0:
                raise self._too_soon(words, left)
            self._finds_out = True
            said = await reconciled(self._attempt, policy, policy.reconcile, self._call_started_before(started))
            self._finds_out = False
            try:
                if isinstance(said, Done):
                    return await self._record(call.answer(Outcome.DONE, said.result), reconciled=True)
                if isinstance(said, NotDone):
                    return await self._record(self._not_done(foreign_words(said)), reconciled=True)
            except NotKeepable as error:
                said = f"its reconcile function returned something that can't be kept: {error.message}"
            words = f"{words}; {said}"
        if asked is None or asked.detail["about"] != "effect":
            await self._ask("effect", words, **self._heard())
        raise EffectUnknown(f"{words}: {_HOW_TO_DECIDE}", tool=call.name)

    async def _unknown(self, error: RoadworthyError, began: float, *, waits_inside: bool) -> TaskInterruption:
        """It failed in a way that does not say whether it happened, or an agent that it runs has to wait."""
        said = (error.__cause__ if isinstance(error.__cause__, AttemptFailed) else error).message
        if waits_inside:
            said = (
                f"an agent that the tool {self._call.name!r} runs has to wait ({error.message}), and the tool may not "
                'run again (declare effect="read" for a tool that only runs an agent)'
            )
        words = f"{said}; it must happen only once (a tool that is not declared otherwise counts so)"
        if self._policy.reconcile is not None:
            # Another attempt asks people about it, if its reconcile function can't tell.
            await self._attempt.record(Draft(self._name(_HEARD), EntryKind.HEARD, b"", self._detail | {"error": said}))
            lease = self._gate.tool_gateway.lease_seconds
            return self._too_soon(words, began + self._policy.seconds + lease - time.monotonic())
        await self._ask("effect", "it did not come back with a result", error=said)
        return EffectUnknown(f"{words}: {_HOW_TO_DECIDE}", tool=self._call.name)

    def _heard(self) -> dict[str, Any]:
        """What it said instead of a result, if its worker lived to hear it."""
        entry = self._attempt.replayed(self._name(_HEARD))
        return {} if entry is None else {"error": entry.detail["error"]}

    def _lost_sight_of(self) -> TaskInterruption:
        """It was cancelled, where nothing more can be written. The next attempt sees whether there is a result."""
        name = self._call.name
        if self._finds_out:
            # Or it would be cancelled there again and again.
            return EffectUnknown(f"finding out about the tool {name!r} was cancelled: {_HOW_TO_DECIDE}", tool=name)
        words = (
            f"the tool {name!r} was cancelled before its result was kept; the next attempt finds out what became of it"
        )
        return TooSoonToKnow(words, seconds=_A_MOMENT)

    def _too_soon(self, words: str, seconds: float) -> TooSoonToKnow:
        return TooSoonToKnow(
            f"{words}; its reconcile function is asked in {max(seconds, 0):.0f} s, when it can no longer be running",
            seconds=max(seconds, 0) + _A_MOMENT,
        )

    async def _decided(self, decision: Decision) -> bytes:
        call, note = self._call, decision.note or ""
        match decision.verdict:
            case Verdict.DONE:
                value = None if decision.value is None else orjson.loads(decision.value)
                reply = call.answer(Outcome.DONE, value)
            case Verdict.NOT_DONE:
                reply = self._not_done(note)
            case Verdict.DENY | Verdict.APPROVE:
                reply = call.answer(Outcome.DENIED, f"{call.name}: not allowed{f': {note}' if note else ''}")
        return await self._record(reply, **_shown(decision))

    # The journal

    async def _ask(self, about: About, words: str, **more: Any) -> TaskInterruption:
        """Write down that a person is asked; what the attempt ends with."""
        detail = self._with_arguments_shown() | {"about": about, "words": words, "digest": self._digest} | more
        await self._attempt.record(Draft(self._free(_QUESTIONS), EntryKind.ASKED, b"", detail))
        return self._needed(about, words)

    async def _record(self, reply: ToolReply, **more: Any) -> bytes:
        shown = await shown_result(self._gate.tool_gateway, self._attempt.service, self._call, self._policy, reply)
        try:
            return await self._write_shown(shown, more)
        except NotKeepable as error:
            if self._policy.effect != "once":
                raise
            return await self._write_shown(ShownResult(done_but_not_kept(self._call, error)), more)

    async def _write_shown(self, shown: ShownResult, more: dict[str, Any]) -> bytes:
        reply = shown.reply
        has_arguments = self._policy.effect != "read" or not self._call.asked_by_model or "decision" in more
        detail = self._with_arguments_shown() if has_arguments else dict(self._detail)
        detail |= {"outcome": reply.outcome, "result": reply.result, "digest": self._digest, **more}
        if shown.cut is not None:
            detail["cut"] = shown.cut
        # An earlier attempt may have died between the two.
        if shown.whole is not None and self._attempt.replayed(whole := self._name("r")) is None:
            self._attempt.later(Draft(whole, EntryKind.WHOLE, shown.whole, dict(self._detail)))
        return await self._write(reply.payload, detail)

    async def _write(self, payload: bytes, detail: dict[str, Any]) -> bytes:
        await self._attempt.record(Draft(self._equal.result, EntryKind.TOOL, payload, detail))
        self._equal.ended(detail["outcome"])
        self._scope.link(self._equal.result, payload)
        self._gate.tool_gateway.calls[self._attempt.service.name, self._call.name, str(detail["outcome"])] += 1
        return payload

    def _with_arguments_shown(self) -> dict[str, Any]:
        """For the person who decides about it, or whether it may happen once more."""
        return self._detail | {"arguments": orjson.loads(self._arguments)}

    def _last(self, letters: str) -> JournalEntry | None:
        last = None
        for letter in letters:
            entry = self._attempt.replayed(self._name(letter))
            if entry is None:
                break
            self._attempt.journal_check.same(entry, "digest", self._digest)
            last = entry
        return last

    def _free(self, letters: str) -> str:
        for letter in letters:
            if self._attempt.replayed(name := self._name(letter)) is None:
                return name
        raise DecisionNeeded(
            f"the tool {self._call.name!r} was asked about or started too often: cancel the task", tool=self._call.name
        )

    def _name(self, letter: str) -> str:
        return self._scope.name(f"{letter}{self._place}")

    @property
    def _call_id(self) -> str:
        """Under which people decide about it."""
        return key_in(self._attempt.task.generation, self._equal.result)

    def _decision(self, about: About) -> Decision | None:
        decision = self._attempt.decisions.get(self._call_id)
        return decision if decision is not None and decision.verdict in FITTING[about] else None

    def _needed(self, about: About, words: str) -> DecisionNeeded:
        waits = "its answer" if about == "input" else "approval"
        how = f"decide about {self._call_id} (roadworthy decide, or POST /v1/tasks/{{id}}/decisions)"
        return DecisionNeeded(f"the tool {self._call.name!r} waits for {waits}: {words}; {how}", tool=self._call.name)

    def _started_call(self) -> StartedCall:
        task, arguments = self._attempt.task, self._arguments
        means = self._equal if self._equal.meant is not None else self._equal.meets or self._equal
        return StartedCall(
            tool=self._call.name,
            arguments=orjson.loads(arguments),
            idempotency_key=idempotency_key(
                task.id, task.generation, self._scope.within, self._call.name, means.meant or arguments, means.ordinal
            ),
            task_id=str(task.id),
            session_id=str(task.session_id),
            tenant=task.principal.tenant,
            user=task.principal.user,
            call_id=self._call_id,
            attempt=task.attempt,
            started_at=time.time(),
        )

    def _call_started_before(self, entry: JournalEntry) -> StartedCall:
        now = self._started_call()
        return replace(
            now,
            idempotency_key=entry.detail.get("key", now.idempotency_key),
            attempt=entry.attempt,
            started_at=entry.at,
        )


def _asked_since(started: JournalEntry, asked: JournalEntry | None) -> bool:
    """Whether it was started and then did nothing but ask."""
    return asked is not None and asked.sequence > started.sequence and asked.detail["about"] != "effect"


def _shown(decision: Decision | None) -> dict[str, Any]:
    if decision is None:
        return {}
    shown = {"verdict": decision.verdict, "by": decision.by_user, "note": decision.note, "at": decision.at}
    return {"decision": shown}


def _shortened(arguments: bytes) -> str:
    text = arguments.decode()
    return text if len(text) <= 200 else text[:199] + "…"
