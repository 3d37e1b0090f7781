from dataclasses import replace

import orjson
import pytest

from roadworthy.core.execution.decide import Facts, decide
from roadworthy.core.execution.gate import Finished
from roadworthy.domain.errors import (
    AgentHung,
    CancelRequested,
    EffectUnknown,
    Fenced,
    HandoverRequested,
    InternalError,
    JournalMismatch,
    LeaseLost,
    LimitReached,
    ModelCallFailed,
    NotKeepable,
    StoreUnavailable,
    ToolCallFailed,
)
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.task import TaskStatus, Turn

FACTS = Facts(
    failures=0, max_retries=3, queue_seconds=600, step=2, partial_text="So far.", fallback_answer="Sorry.", chance=0
)
OVERLOADED = ModelCallFailed("the model is overloaded", FailureClass.PROVIDER_OVERLOADED)


@pytest.mark.parametrize(
    ("end", "status", "counts"),
    [
        (Finished(b"1", Turn("f", b"[]")), TaskStatus.SUCCEEDED, False),
        (CancelRequested(), TaskStatus.CANCELLED, False),
        (LimitReached("out of steps"), TaskStatus.PARTIAL, False),
        (HandoverRequested(), TaskStatus.QUEUED, False),
        (EffectUnknown("?"), TaskStatus.WAITING, False),
        (JournalMismatch("?"), TaskStatus.WAITING, False),
        (OVERLOADED, TaskStatus.QUEUED, True),
        (InternalError(), TaskStatus.QUEUED, True),
        (StoreUnavailable(), TaskStatus.QUEUED, True),
        (ModelCallFailed("no"), TaskStatus.DEAD, True),
        (ToolCallFailed("no"), TaskStatus.DEAD, True),
        (AgentHung(), TaskStatus.DEAD, True),
        (NotKeepable(), TaskStatus.DEAD, True),
        (KeyError("order"), TaskStatus.DEAD, True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception | Finished) else str(value),
)
def test_what_becomes_of_the_task(end: Finished | Exception, status: TaskStatus, counts: bool):
    verdict = decide(end, FACTS)
    assert verdict is not None
    assert (verdict.status, verdict.counts_as_failure) == (status, counts)
    assert verdict.reason or status is TaskStatus.SUCCEEDED


@pytest.mark.parametrize("end", [Fenced(), LeaseLost()])
def test_nothing_may_be_written_for_somebody_elses_task(end: Exception):
    assert decide(end, FACTS) is None


def test_a_task_is_dead_after_max_retries_failures():
    statuses = [decide(OVERLOADED, replace(FACTS, failures=failures)).status for failures in range(4)]  # type: ignore[union-attr]
    assert statuses == [TaskStatus.QUEUED] * 3 + [TaskStatus.DEAD]


def test_a_dead_task_says_where_it_died_and_what_to_do():
    verdict = decide(
        ToolCallFailed("the tool 'find' did not come back", FailureClass.TOOL_TIMED_OUT, tool="find"),
        replace(FACTS, failures=3),
    )
    assert verdict is not None and verdict.error is not None
    error = orjson.loads(verdict.error)
    assert (error["code"], error["step"], error["tool"]) == ("tool_timed_out", 2, "find")
    assert error["message"] == verdict.reason
    assert verdict.reason == (
        "failed 4 times without progress; last: the tool 'find' did not come back; "
        "look why it hangs, or raise `seconds` of its ToolPolicy"
    )


def test_a_provider_that_wants_more_time_than_the_task_has_ends_it_at_once():
    patient = ModelCallFailed("come back tomorrow", FailureClass.PROVIDER_RATE_LIMITED, retry_after=86_400)
    verdict = decide(patient, FACTS)
    assert verdict is not None
    assert verdict.status is TaskStatus.DEAD
    assert "the next try would be in 86400 s" in (verdict.reason or "") and "600 s" in (verdict.reason or "")


@pytest.mark.parametrize("end", [CancelRequested(), HandoverRequested(), EffectUnknown(), OVERLOADED, KeyError("x")])
def test_what_was_said_so_far_is_kept(end: Exception):
    verdict = decide(end, FACTS)
    assert verdict is not None and verdict.output == b'"So far."'


def test_the_fallback_answer_is_for_limits_only():
    silent = replace(FACTS, partial_text="")
    limited, failed = decide(LimitReached("out of money"), silent), decide(KeyError("x"), silent)
    assert limited is not None and limited.output == b'"Sorry."'
    assert failed is not None and failed.output is None
