"""What becomes of a task whose attempt came to an end. No I/O: the same facts always give the same verdict."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from roadworthy.core.execution.gate import Finished
from roadworthy.domain.errors import (
    AgentFailed,
    AttemptFailed,
    CancelRequested,
    EffectUnknown,
    Fenced,
    HandoverRequested,
    JournalMismatch,
    LeaseLost,
    LimitReached,
    RoadworthyError,
    StoreUnavailable,
)
from roadworthy.domain.failure_class import FailureClass, retry_pause
from roadworthy.domain.keepable import foreign_words, in_words
from roadworthy.domain.task import TaskStatus, Turn


@dataclass(frozen=True, slots=True)
class Facts:
    """What the verdict depends on besides the end itself."""

    failures: int
    """Before this attempt, or 0 where it added to the journal."""
    max_retries: int
    queue_seconds: float
    """How long the task may wait for its next attempt."""
    step: int
    """Model calls begun so far: the last one is where the attempt ended."""
    partial_text: str
    fallback_answer: str | None
    chance: float
    """Between 0 and 1: spreads retries that failed together."""


@dataclass(frozen=True, slots=True)
class Verdict:
    status: TaskStatus
    reason: str | None = None
    output: bytes | None = None
    error: bytes | None = None
    turn: Turn | None = None
    run_after_seconds: float = 0
    counts_as_failure: bool = False


def decide(end: Finished | Exception, facts: Facts) -> Verdict | None:
    """The verdict, or None where the task is somebody else's now and nothing may be written."""
    match end:
        case Finished(output, turn):
            return Verdict(TaskStatus.SUCCEEDED, output=output, turn=turn)
        case Fenced() | LeaseLost():
            return None
        case CancelRequested():
            return Verdict(TaskStatus.CANCELLED, in_words(end), output=_partial(facts, None))
        case LimitReached():
            answer = _partial(facts, facts.fallback_answer)
            return Verdict(TaskStatus.PARTIAL, in_words(end), output=answer, error=_error(end, facts, in_words(end)))
        case HandoverRequested():
            return Verdict(TaskStatus.QUEUED, in_words(end), output=_partial(facts, None))
        case EffectUnknown() | JournalMismatch():
            error = _error(end, facts, in_words(end))
            return Verdict(TaskStatus.WAITING, in_words(end), output=_partial(facts, None), error=error)
        case AttemptFailed():
            return _failed(end, facts)
        case StoreUnavailable():
            return _failed(AttemptFailed(in_words(end), FailureClass.INTERNAL_ERROR), facts)
        case _:
            return _failed(AgentFailed(f"the agent raised {type(end).__name__}: {foreign_words(end)}"), facts)


def _failed(end: AttemptFailed, facts: Facts) -> Verdict:
    reason, treatment = in_words(end), end.failure.treatment
    if end.failure.is_retried:
        if facts.failures < facts.max_retries:
            pause = retry_pause(end.failure, facts.failures, end.retry_after, facts.chance)
            if pause < facts.queue_seconds:
                return Verdict(
                    TaskStatus.QUEUED,
                    reason,
                    output=_partial(facts, None),
                    run_after_seconds=pause,
                    counts_as_failure=True,
                )
            reason = (
                f"{reason}; the next try would be in {pause:.0f} s, and the task may wait in the queue for "
                f"{facts.queue_seconds:g} s only (limits.queue_seconds)"
            )
        else:
            reason = f"failed {facts.failures + 1} times without progress; last: {reason}"
    reason = f"{reason}; {treatment.advice}"
    return Verdict(
        TaskStatus.DEAD,
        reason,
        output=_partial(facts, None),
        error=_error(end, facts, reason),
        counts_as_failure=True,
    )


def _partial(facts: Facts, otherwise: str | None) -> bytes | None:
    answer = facts.partial_text or otherwise
    return None if answer is None else orjson.dumps(answer)


def _error(end: RoadworthyError, facts: Facts, message: str) -> bytes:
    error: dict[str, object] = {"code": end.code, "message": message}
    if facts.step:
        error["step"] = facts.step
    if isinstance(end, AttemptFailed | EffectUnknown) and end.tool is not None:
        error["tool"] = end.tool
    return orjson.dumps(error)
