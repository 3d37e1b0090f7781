from dataclasses import replace

import orjson
import pytest

from roadworthy.core.execution.decide import Facts, decide
from roadworthy.core.execution.gate import Finished
from roadworthy.domain.errors import (
    AgentHung,
    AttemptFailed,
    CancelRequested,
    DecisionNeeded,
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
    TooSoonToKnow,
)
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.task import TaskStatus, Turn

FACTS = Facts(
    failures=0,
    max_retries=3,
    queue_seconds=600,
    step=2,
    partial_text="Half a",
    found=[("find_order", "on its way")],
    fallback_answer="Sorry.",
    chance=0,
)
SPEECHLESS = replace(FACTS, partial_text="", found=[], fallback_answer=None)
OVERLOADED = ModelCallFailed("the model is overloaded", FailureClass.PROVIDER_OVERLOADED)


@pytest.mark.parametrize(
    ("end", "status", "counts"),
    [
        (Finished(b"1", Turn("f", b"[]")), TaskStatus.SUCCEEDED, False),
        (CancelRequested(), TaskStatus.CANCELLED, False),
        (LimitReached("out of steps"), TaskStatus.PARTIAL, False),
        (HandoverRequested(), TaskStatus.QUEUED, False),
        (EffectUnknown("?"), TaskStatus.WAITING, False),
        (DecisionNeeded("?"), TaskStatus.WAITING, False),
        (TooSoonToKnow("?", seconds=40), TaskStatus.QUEUED, False),
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
    statuses = [decide(OVERLOADED, replace(SPEECHLESS, failures=failures)).status for failures in range(4)]  # type: ignore[union-attr]
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
    verdict = decide(patient, SPEECHLESS)
    assert verdict is not None
    assert verdict.status is TaskStatus.DEAD
    assert "the next try would be in 86400 s" in (verdict.reason or "") and "600 s" in (verdict.reason or "")


@pytest.mark.parametrize("end", [CancelRequested(), HandoverRequested(), EffectUnknown(), OVERLOADED, KeyError("x")])
def test_what_was_said_so_far_is_kept(end: Exception):
    verdict = decide(end, FACTS)
    assert verdict is not None and verdict.output == b'"Half a"'


_F = FailureClass
PROVIDERS_FAULT = [
    _F.PROVIDER_OVERLOADED,
    _F.PROVIDER_RATE_LIMITED,
    _F.PROVIDER_FAILED,
    _F.CONNECTION_BROKEN,
    _F.MODEL_TIMED_OUT,
    _F.QUOTA_USED_UP,
    _F.AUTHENTICATION_FAILED,
    _F.PERMISSION_DENIED,
    _F.UNKNOWN_MODEL,
]
"""With these, another model would have answered, had there been one that does."""


@pytest.mark.parametrize("end", [LimitReached("no money left"), *(ModelCallFailed("no", f) for f in PROVIDERS_FAULT)])
@pytest.mark.parametrize(
    ("facts", "output", "source", "words"),
    [
        ({}, "Half a", "text", "the output is what it had written so far"),
        (
            {"partial_text": "\n"},
            "So far:\n- find_order: on its way",
            "tool_results",
            "the output is what its tools had found so far",
        ),
        (
            {"partial_text": "", "found": []},
            "Sorry.",
            "fallback",
            "the output is the service's fallback answer",
        ),
    ],
)
def test_the_best_answer_that_there_is(end: AttemptFailed, facts: dict, output: str, source: str, words: str):
    verdict = decide(end, replace(FACTS, failures=3, **facts))
    assert verdict is not None and verdict.output is not None and verdict.error is not None
    assert (verdict.status, orjson.loads(verdict.output)) == (TaskStatus.PARTIAL, output)
    error = orjson.loads(verdict.error)
    assert (error["code"], error["answer"], error["message"]) == (end.code, source, verdict.reason)
    assert end.message in error["message"] and words in error["message"]


@pytest.mark.parametrize("failure", PROVIDERS_FAULT)
def test_where_there_is_no_answer_at_all_an_operator_can_have_it_go_on(failure: FailureClass):
    verdict = decide(ModelCallFailed("no", failure), replace(SPEECHLESS, failures=3))
    assert verdict is not None
    assert (verdict.status, verdict.output) == (TaskStatus.DEAD, None)
    assert (verdict.reason or "").endswith(failure.treatment.advice)


def test_a_limit_is_reached_with_or_without_an_answer():
    verdict = decide(LimitReached("no time left"), SPEECHLESS)
    assert verdict is not None
    assert (verdict.status, verdict.output) == (TaskStatus.PARTIAL, None)
    assert verdict.reason == "no time left; it had nothing to say yet"


@pytest.mark.parametrize(
    "end",
    [
        *(ModelCallFailed("no", f) for f in (_F.INVALID_MODEL_REQUEST, _F.CONTENT_REFUSED, _F.CONTEXT_TOO_LONG)),
        ToolCallFailed("no"),
        AgentHung(),
        KeyError("x"),
    ],
    ids=str,
)
def test_what_somebody_has_to_mend_is_dead_and_has_no_fallback_answer(end: Exception):
    verdict = decide(end, replace(FACTS, partial_text="", failures=3))
    assert verdict is not None
    assert (verdict.status, verdict.output) == (TaskStatus.DEAD, None)


def test_a_provider_that_fails_is_tried_again_before_less_than_an_answer_is_given():
    verdict = decide(OVERLOADED, replace(FACTS, failures=2))
    assert verdict is not None and verdict.status is TaskStatus.QUEUED


def test_what_can_be_found_out_later_comes_back_then_or_before_it_has_waited_too_long_in_the_queue():
    soon = decide(TooSoonToKnow("asked in 40 s", seconds=40), FACTS)
    late = decide(TooSoonToKnow("asked in 900 s", seconds=900), FACTS)
    assert soon is not None and (soon.run_after_seconds, soon.reason, soon.error) == (40, "asked in 40 s", None)
    assert late is not None and late.run_after_seconds == 300


def test_a_task_that_waits_for_a_person_has_no_error_and_one_with_an_unknown_effect_has():
    asked, unknown = (decide(error("why", tool="pay"), FACTS) for error in (DecisionNeeded, EffectUnknown))
    assert asked is not None and (asked.reason, asked.error) == ("why", None)
    assert unknown is not None and orjson.loads(unknown.error or b"")["tool"] == "pay"
