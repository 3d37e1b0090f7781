import itertools

import pytest

from roadworthy.domain.failure_class import TREATMENTS, FailureClass, retry_pause

RETRIED = [failure for failure in FailureClass if failure.is_retried]


def test_every_class_has_a_line_in_the_table():
    assert set(TREATMENTS) == set(FailureClass)


def test_which_failures_are_worth_another_try():
    assert {failure.value for failure in RETRIED} == {
        "provider_overloaded",
        "provider_rate_limited",
        "provider_failed",
        "connection_broken",
        "model_timed_out",
        "tool_timed_out",
        "tool_unreachable",
        "tool_service_failed",
        "lease_lost",
        "internal_error",
    }


@pytest.mark.parametrize("failure", FailureClass)
def test_each_says_what_happened_and_what_to_do(failure: FailureClass):
    treatment = failure.treatment
    assert len(treatment.what) > 10 and len(treatment.advice) > 20
    assert not treatment.what.endswith(".") and not treatment.advice.endswith(".")


@pytest.mark.parametrize("failure", [failure for failure in RETRIED if failure is not FailureClass.LEASE_LOST])
def test_a_task_outlives_half_a_minute_of_trouble(failure: FailureClass):
    pauses = [retry_pause(failure, failures, None, chance=0) for failures in range(3)]
    assert sum(pauses) >= 30
    assert pauses[0] <= 2


@pytest.mark.parametrize("failure", RETRIED)
def test_pauses_grow_up_to_a_largest_one(failure: FailureClass):
    pauses = [retry_pause(failure, failures, None, chance=0) for failures in range(100)]
    assert all(before <= after for before, after in itertools.pairwise(pauses))
    assert pauses[-1] == failure.treatment.pauses[-1] <= 60


def test_chance_spreads_what_failed_together():
    pauses = [retry_pause(FailureClass.PROVIDER_OVERLOADED, 1, None, chance) for chance in (0, 0.5, 1)]
    assert pauses == [8, 10, 12]


@pytest.mark.parametrize(
    ("failures", "retry_after", "pause"),
    [
        (0, 0.2, 0.2),  # it knows best, at first
        (0, 20, 20),
        (1, 0.2, 8),  # and was wrong
        (1, 20, 20),
        (2, 1000, 1000),
    ],
)
def test_the_providers_wish_counts(failures: int, retry_after: float, pause: float):
    assert retry_pause(FailureClass.PROVIDER_OVERLOADED, failures, retry_after, chance=0) == pause
    assert retry_pause(FailureClass.PROVIDER_OVERLOADED, failures, retry_after, chance=1) > pause
