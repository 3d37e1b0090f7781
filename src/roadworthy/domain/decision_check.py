"""Whether a decision can be taken. No I/O: both the store and its twin ask it while they hold the task."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from roadworthy.domain.decision import Decision, NewDecision
from roadworthy.domain.errors import DecidedBefore, DecisionTooSoon, NotPending
from roadworthy.domain.event import MAX_ATTEMPTS
from roadworthy.domain.journal import generation_of
from roadworthy.domain.task import OPEN, Task, TaskStatus


@dataclass(frozen=True, slots=True)
class CallStanding:
    """What the store knows of the call in question."""

    decided: Decision | None
    """What was decided of it before, in answer to the same question."""
    has_result: bool
    now: float
    """Seconds since 1970, by the store's clock."""


def check_decision(new: NewDecision, task: Task, call: CallStanding, not_before: float | None) -> None:
    """Raises NotPending, DecidedBefore or DecisionTooSoon. The same decision once more is no error."""
    if call.decided is not None:
        if (call.decided.verdict, call.decided.value) != (new.verdict, new.value):
            raise DecidedBefore(_decided_before(call.decided, new))
        return
    if task.status not in OPEN:
        hint = "; an operator may resume it, and the call can be decided then" if task.status is TaskStatus.DEAD else ""
        raise NotPending(f"the task is {task.status}, so nothing comes of a decision any more{hint}")
    if generation_of(new.call_id) != task.generation:
        raise NotPending("the task was started over since that call; GET the task to see what it waits for now")
    if call.has_result:
        raise NotPending("that call has its result by now; GET the task to see what it waits for")
    if task.status is TaskStatus.WAITING and task.attempt >= MAX_ATTEMPTS:
        raise NotPending(f"the task was started {task.attempt:,} times, as often as one may be; cancel it")
    if not_before is not None and call.now < not_before:
        seconds = not_before - call.now
        raise DecisionTooSoon(
            f"the call may still be running, or begin late, for {ceil(seconds):,} s; decide after that",
            seconds=seconds,
        )


def goes_on(task: Task, call: CallStanding) -> bool:
    """Whether the decision lets the task go on now. Also where it stood before: should it ever have been overlooked,
    saying it again helps."""
    return task.status is TaskStatus.WAITING and not call.has_result and task.attempt < MAX_ATTEMPTS


def _decided_before(decision: Decision, new: NewDecision) -> str:
    note = f" ({decision.note})" if decision.note else ""
    value = " with another value" if decision.verdict is new.verdict else ""
    return f"{decision.by_user} has decided {decision.verdict}{value}{note} already, and that stands"
