"""Takes what a person decides about a tool call, and lets the task go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from roadworthy.core.announcer import Announcer
from roadworthy.core.insight.pending import opens_at
from roadworthy.core.operations.resume_order import check_fields, note_in
from roadworthy.domain.decision import FITTING, About, NewDecision, PendingCall, Verdict, pending_calls, result_key
from roadworthy.domain.errors import InputTooLarge, InvalidRequest, NotFound, NotPending
from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import EntryKind, JournalEntry
from roadworthy.domain.keepable import MOST_DEPTH, is_too_deep
from roadworthy.domain.principal import Principal, is_operator
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.ports.decisions import Decided, Decisions
from roadworthy.ports.journal import Journal
from roadworthy.ports.task_store import TaskStore

MOST_VALUE_BYTES = 1_000_000
MOST_VALUE_SHOWN_BYTES = 10_000
MOST_CALL_ID_CHARACTERS = 10_000

_FIELDS = ("call_id", "decision", "value", "note")
_WITH_A_VALUE = (Verdict.APPROVE, Verdict.DONE)
_ANSWERS: Mapping[About, str] = {
    "approval": "the question is whether {} may be called: answer approve or deny",
    "effect": "{} was started, and the question is whether it happened: answer done, with what it gave back as value, "
    "or not_done",
    "input": "{} waits for its result: answer done, with the result as value, or not_done",
}
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class DecisionOrder:
    """What somebody wants, as far as it can be checked without the task."""

    call_id: str
    verdict: Verdict
    value: bytes | None
    note: str | None


def read_decision(body: Mapping[str, Any]) -> DecisionOrder:
    """The order in a decoded JSON object; InvalidRequest, naming the field, or InputTooLarge."""
    check_fields(body, _FIELDS)
    call_id = body.get("call_id")
    if not isinstance(call_id, str) or not 0 < len(call_id) <= MOST_CALL_ID_CHARACTERS:
        raise InvalidRequest("call_id must be that of a call in the task's waiting_for, like 't3:call_abc'")
    return DecisionOrder(call_id, verdict := _verdict(body), _value(body, verdict), note_in(body))


class DecideCall:
    def __init__(
        self, tasks: TaskStore, journal: Journal, decisions: Decisions, announcer: Announcer, lease_seconds: float
    ) -> None:
        self._tasks = tasks
        self._journal = journal
        self._decisions = decisions
        self._announcer = announcer
        self._lease_seconds = lease_seconds

    async def decide(self, principal: Principal, task_id: TaskId, body: Mapping[str, Any]) -> Decided:
        """The decision, and the task as it is then: on its way, where it waited. `body` is `{call_id, decision, value?,
        note?}`; the same once more answers the same.

        Raises InvalidRequest for what can't be decided so, InputTooLarge, NotFound for a task that is not the
        principal's and for a call that it has not, NotPending, DecidedBefore, DecisionTooSoon, StoreUnavailable.
        """
        order = read_decision(body)
        task = await self._find(principal, task_id)
        entries = await self._journal.read(task.principal, task.id)
        waiting = pending_calls(entries, task.generation)
        call = next((each for each in waiting if each.call_id == order.call_id), None)
        if call is not None and order.verdict not in FITTING[call.about] and await self._was_decided(task, order):
            # Another question about it was answered before: the store says what that means for this order.
            call = None
        elif call is not None:
            _check_fits(call, order)
        elif not await self._was_decided(task, order):
            raise _not_waiting(task, order.call_id, entries, waiting)
        tool = call.tool if call is not None else order.call_id
        new = NewDecision(
            order.call_id,
            order.verdict,
            order.value,
            order.note,
            principal,
            reason=_reason(principal, tool, order, call),
            detail={"call_id": order.call_id, "tool": tool, "decision": order.verdict.value, **_value_shown(order)},
        )
        not_before = None if call is None else opens_at(call, self._lease_seconds)
        decided = await self._decisions.decide(principal, task_id, new, not_before)
        if decided.task.status is TaskStatus.QUEUED:
            self._announcer.changed(decided.task)
        return decided

    async def _find(self, principal: Principal, task_id: TaskId) -> Task:
        try:
            return await self._tasks.find(principal, task_id)
        except NotFound:
            if not is_operator(principal):
                raise
        return await self._decisions.find_any(principal, task_id)

    async def _was_decided(self, task: Task, order: DecisionOrder) -> bool:
        """Whether the same question was decided before: the store says what that means for this order."""
        decisions = await self._decisions.of_task(task.principal, task.id)
        return any(each.call_id == order.call_id and each.answers(order.verdict) for each in decisions)


def _value_shown(order: DecisionOrder) -> dict[str, Any]:
    """Of an operator's action; what is long stands with the decision."""
    if order.value is None:
        return {}
    long = len(order.value) > MOST_VALUE_SHOWN_BYTES
    return {"value_bytes": len(order.value)} if long else {"value": orjson.loads(order.value)}


def _check_fits(call: PendingCall, order: DecisionOrder) -> None:
    if order.verdict not in FITTING[call.about]:
        raise InvalidRequest(f"{_ANSWERS[call.about].format(call.tool)}, not {order.verdict}")
    if order.verdict is Verdict.APPROVE and (missing := _missing(call.arguments, order.value)):
        raise InvalidRequest(
            f"value takes the place of all arguments of {call.tool}, and it lacks {', '.join(missing[:_MOST_NAMED])}: "
            "say what does not change as well"
        )


def _missing(asked: Any, value: bytes | None) -> Sequence[str]:
    """Which of the arguments that were asked for are not among those of a person, who thought of what changes."""
    given = None if value is None else orjson.loads(value)
    if not isinstance(asked, Mapping) or given is None:
        return ()
    return [repr(name) for name in cast(Mapping[str, Any], asked) if name not in given]


def _not_waiting(
    task: Task, call_id: str, entries: Sequence[JournalEntry], waiting: Sequence[PendingCall]
) -> NotFound | NotPending:
    if any(call_id == _call_of(entry) for entry in entries):
        return NotPending(f"the task is {task.status}, and {_asked(waiting)}")
    return NotFound(f"the task has no call {call_id!r}; {_asked(waiting)}")


def _call_of(entry: JournalEntry) -> str | None:
    match entry.kind:
        case EntryKind.TOOL:
            return entry.key
        case EntryKind.STARTED | EntryKind.ASKED:
            return result_key(entry)
        case _:
            return None


def _asked(waiting: Sequence[PendingCall]) -> str:
    if not waiting:
        return "nobody is asked about any call of it"
    named = [f"{call.call_id} ({call.tool}, {call.about})" for call in waiting[:_MOST_NAMED]]
    more = len(waiting) - len(named)
    return "it waits for decisions about " + ", ".join(named) + (f" and {more} more" if more else "")


def _reason(principal: Principal, tool: str, order: DecisionOrder, call: PendingCall | None) -> str:
    who = principal.user
    match order.verdict:
        case Verdict.APPROVE:
            return f"approved by {who}{' with other arguments' if order.value else ''}: {tool}"
        case Verdict.DENY:
            return f"denied by {who}: {tool}"
        case Verdict.DONE if call is not None and call.about == "input":
            return f"answered by {who}: {tool}"
        case Verdict.DONE:
            return f"done, says {who}: {tool}"
        case Verdict.NOT_DONE:
            return f"not done, says {who}: {tool}"


def _verdict(body: Mapping[str, Any]) -> Verdict:
    value = body.get("decision")
    try:
        return Verdict(value)
    except ValueError:
        raise InvalidRequest(f"decision must be one of {', '.join(Verdict)}, not {str(value)[:100]!r}") from None


def _value(body: Mapping[str, Any], verdict: Verdict) -> bytes | None:
    value = body.get("value")
    if value is None:
        return None
    if verdict not in _WITH_A_VALUE:
        raise InvalidRequest(
            "value goes with approve (the arguments to call it with) and done (the result); what the model should know "
            "of the reason belongs into note"
        )
    if verdict is Verdict.APPROVE and not isinstance(value, dict):
        raise InvalidRequest("value must be an object with all arguments of the call; leave it away to keep them")
    try:
        # Sorted, so that the same value said again is the same.
        encoded = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        encoded = b"[" * (MOST_DEPTH + 1)
    if is_too_deep(encoded):
        raise InvalidRequest(f"value is nested deeper than {MOST_DEPTH} levels")
    if len(encoded) > MOST_VALUE_BYTES:
        raise InputTooLarge(f"value is larger than {MOST_VALUE_BYTES:,} bytes; keep large things elsewhere")
    return encoded
