"""What becomes of a task whose attempt came to an end. No I/O: the same facts always give the same verdict."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from roadworthy.core.execution.gate import Finished
from roadworthy.domain.errors import (
    CancelRequested,
    EffectUnknown,
    Fenced,
    HandoverRequested,
    JournalMismatch,
    LeaseLost,
    LimitReached,
    ModelCallFailed,
    RoadworthyError,
)
from roadworthy.domain.keepable import in_words
from roadworthy.domain.task import TaskStatus, Turn

FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What the verdict depends on besides the end itself."""

    failures: int
    """Before this attempt, or 0 where it added to the journal."""
    max_retries: int
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
            return Verdict(TaskStatus.CANCELLED, _in_words(end), output=_partial(facts, None))
        case LimitReached():
            answer = _partial(facts, facts.fallback_answer)
            return Verdict(TaskStatus.PARTIAL, _in_words(end), output=answer, error=_error(end))
        case HandoverRequested():
            return Verdict(TaskStatus.QUEUED, _in_words(end))
        case EffectUnknown() | JournalMismatch():
            return Verdict(TaskStatus.WAITING, _in_words(end), error=_error(end))
        case ModelCallFailed(retryable=True) if facts.failures < facts.max_retries:
            pause = retry_pause(facts.failures, end.retry_after, facts.chance)
            return Verdict(TaskStatus.QUEUED, _in_words(end), run_after_seconds=pause, counts_as_failure=True)
        case ModelCallFailed(retryable=True):
            reason = f"failed {facts.failures + 1} times without progress; last: {_in_words(end)}"
            return Verdict(TaskStatus.DEAD, reason, error=_error(end), counts_as_failure=True)
        case _:
            return Verdict(TaskStatus.DEAD, _in_words(end), error=_error(end), counts_as_failure=True)


def retry_pause(failures: int, retry_after: float | None, chance: float) -> float:
    """Seconds until the next try: doubling from one second to a minute, half of it by chance ("equal jitter",
    M. Brooker, "Exponential Backoff And Jitter", 2015), never sooner than the provider asked for."""
    pause = min(FIRST_RETRY_SECONDS * 2**failures, LAST_RETRY_SECONDS)
    return max(pause / 2 + pause / 2 * chance, retry_after or 0)


def _partial(facts: Facts, otherwise: str | None) -> bytes | None:
    answer = facts.partial_text or otherwise
    return None if answer is None else orjson.dumps(answer)


def _in_words(end: Exception) -> str:
    words = in_words(end)
    return words if isinstance(end, RoadworthyError) else f"the agent raised {type(end).__name__}: {words}"


def _error(end: Exception) -> bytes:
    code = end.code if isinstance(end, RoadworthyError) else "agent_failed"
    return orjson.dumps({"code": code, "message": _in_words(end)})
