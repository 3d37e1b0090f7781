"""What becomes of a task whose attempt came to an end. No I/O: the same facts always give the same verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from roadworthy.core.execution.best_answer import BestAnswer, best_answer
from roadworthy.core.execution.gate import Finished
from roadworthy.domain.errors import (
    AgentFailed,
    AttemptFailed,
    CancelRequested,
    DecisionNeeded,
    EffectUnknown,
    Fenced,
    HandoverRequested,
    JournalMismatch,
    LeaseLost,
    LimitReached,
    RoadworthyError,
    StoreUnavailable,
    TooSoonToKnow,
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
    found: Sequence[tuple[str, Any]]
    """Tool and result of each call that was done."""
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
            return Verdict(TaskStatus.CANCELLED, in_words(end), output=_text(facts))
        case LimitReached():
            return _ended_early(end, in_words(end), facts, _best(facts))
        case HandoverRequested():
            return Verdict(TaskStatus.QUEUED, in_words(end), output=_text(facts))
        case TooSoonToKnow(seconds=seconds):
            # Half of what it may wait in the queue: what comes too soon comes once more.
            pause = min(seconds, facts.queue_seconds / 2)
            return Verdict(TaskStatus.QUEUED, in_words(end), output=_text(facts), run_after_seconds=pause)
        case DecisionNeeded():
            return Verdict(TaskStatus.WAITING, in_words(end), output=_text(facts))
        case EffectUnknown() | JournalMismatch():
            error = _error(end, facts, in_words(end))
            return Verdict(TaskStatus.WAITING, in_words(end), output=_text(facts), error=error)
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
                    output=_text(facts),
                    run_after_seconds=pause,
                    counts_as_failure=True,
                )
            reason = (
                f"{reason}; the next try would be in {pause:.0f} s, and the task may wait in the queue for "
                f"{facts.queue_seconds:g} s only (limits.queue_seconds)"
            )
        else:
            reason = f"failed {facts.failures + 1} times without progress; last: {reason}"
    if treatment.blames_model and (answer := _best(facts)) is not None:
        # It is not the user who has to wait until a provider is well again.
        return _ended_early(end, reason, facts, answer)
    reason = f"{reason}; {treatment.advice}"
    return Verdict(
        TaskStatus.DEAD,
        reason,
        output=_text(facts),
        error=_error(end, facts, reason),
        counts_as_failure=True,
    )


def _ended_early(end: RoadworthyError, reason: str, facts: Facts, answer: BestAnswer | None) -> Verdict:
    reason = f"{reason}; {'it had nothing to say yet' if answer is None else answer.words}"
    return Verdict(
        TaskStatus.PARTIAL,
        reason,
        output=None if answer is None else orjson.dumps(answer.text),
        error=_error(end, facts, reason, answer),
        counts_as_failure=isinstance(end, AttemptFailed),
    )


def _best(facts: Facts) -> BestAnswer | None:
    return best_answer(facts.partial_text, facts.found, facts.fallback_answer)


def _text(facts: Facts) -> bytes | None:
    return orjson.dumps(facts.partial_text) if facts.partial_text else None


def _error(end: RoadworthyError, facts: Facts, message: str, answer: BestAnswer | None = None) -> bytes:
    error: dict[str, object] = {"code": end.code, "message": message}
    if answer is not None:
        error["answer"] = answer.source
    if facts.step:
        error["step"] = facts.step
    if isinstance(end, AttemptFailed | EffectUnknown) and end.tool is not None:
        error["tool"] = end.tool
    return orjson.dumps(error)
