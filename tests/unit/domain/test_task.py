import itertools

import pytest

from roadworthy.domain.errors import IllegalTransition
from roadworthy.domain.task import (
    LIFE_ENDS,
    OCCUPYING,
    OPEN,
    TRANSITIONS,
    TaskStatus,
    Usage,
    check_transition,
    lane_of,
)

STATES = """
    blocked   -> queued cancelled expired dead
    queued    -> running cancelled expired dead
    running   -> succeeded partial cancelled dead waiting queued
    waiting   -> queued cancelled expired dead
    dead      -> queued blocked discarded
    succeeded ->
    partial   ->
    cancelled ->
    expired   ->
    discarded ->
"""
LEGAL = {
    (TaskStatus(before.strip()), TaskStatus(after))
    for before, _, afters in (line.partition("->") for line in STATES.strip().splitlines())
    for after in afters.split()
}
PAIRS = list(itertools.product(TaskStatus, TaskStatus))


def test_every_status_says_where_it_goes():
    assert set(TRANSITIONS) == set(TaskStatus)
    assert {(before, after) for before, afters in TRANSITIONS.items() for after in afters} == LEGAL


@pytest.mark.parametrize(("before", "after"), PAIRS, ids=lambda status: str(status))
def test_a_transition_is_allowed_or_refused_as_the_table_says(before: TaskStatus, after: TaskStatus):
    if (before, after) in LEGAL:
        check_transition(before, after)
    else:
        with pytest.raises(IllegalTransition, match=f"{before} cannot become {after}"):
            check_transition(before, after)


def test_every_status_is_open_or_ends_a_life():
    assert set(TaskStatus) == OPEN | LIFE_ENDS
    assert not OPEN & LIFE_ENDS
    assert {TaskStatus.BLOCKED} == OPEN - OCCUPYING


def test_every_status_can_be_reached_and_every_open_one_left():
    assert {after for _, after in LEGAL} == set(TaskStatus)
    assert {before for before, _ in LEGAL} >= OPEN


def test_only_a_dead_task_starts_a_second_life():
    assert {before for before, after in LEGAL if before in LIFE_ENDS and after in OPEN} == {TaskStatus.DEAD}


def test_a_lane_is_one_version_of_one_agent():
    assert lane_of("support", "1") == "support@1"


def test_usage_that_another_release_kept_is_read():
    assert Usage.of({"cost": 7, "steps": 2}) == Usage(cost=7, steps=2)
    assert Usage.of({"cost": 7, "counted_next_year": 3}) == Usage(cost=7)


def test_usage_adds_up_whatever_it_counts():
    each = Usage(*range(1, len(Usage.__slots__) + 1))
    assert each + each == Usage(*(2 * count for count in range(1, len(Usage.__slots__) + 1)))
    assert Usage() + each == each
