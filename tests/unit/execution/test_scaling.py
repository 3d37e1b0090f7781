"""When a supervisor grows and shrinks, and that it does not do both by turns."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.core.execution.scaling import Decision, Demand, ScalingRule, Trend, Workforce, decide, demand
from roadworthy.ports.lanes import LaneLoad

RULE = ScalingRule()
FOUR = Workforce(wanted=4, working=4, settled=True, present=4, full=False, slots=50)
LOOK_SECONDS = 2.0


def after_looks(seen: Demand, ours: Workforce = FOUR, rule: ScalingRule = RULE, looks: int = 100) -> Decision:
    """The first decision that changes something, or the last one."""
    decision = Decision(ours.wanted, Trend())
    for look in range(looks):
        decision = decide(rule, look * LOOK_SECONDS, seen, ours, decision.trend)
        if decision.wanted != ours.wanted:
            break
    return decision


@pytest.mark.parametrize(
    ("seen", "ours", "wanted", "words"),
    [
        # Too much waits: as many more as are needed, at most twice as many, eight, or the room there is.
        (Demand(11, 11), {}, 5, "11.0 tasks wait for each worker, more than 10"),
        (Demand(14, 14), {}, 6, "14.0 tasks"),
        (Demand(1000, 1000), {}, 8, "1000.0 tasks"),
        (Demand(1000, 1000), {"wanted": 20, "working": 20, "present": 20}, 28, "1000.0 tasks"),
        (Demand(1000, 1000), {"wanted": 48, "working": 48, "present": 48}, 50, "1000.0 tasks"),
        (Demand(1000, 1000), {"wanted": 48, "working": 48, "present": 49}, 49, "1000.0 tasks"),
        (Demand(1000, 1000), {"wanted": 50, "working": 50, "present": 50}, 50, ""),
        (Demand(1000, 1000), {"wanted": 48, "working": 48, "present": 50}, 48, ""),
        # Few wait, but too long, because all slots are taken.
        (Demand(3, 53, 6), {"full": True}, 5, "has waited for 6 s and every slot is taken"),
        (Demand(3, 53, 6), {"full": True, "wanted": 12, "working": 12, "present": 12}, 15, "has waited"),
        (Demand(3, 53, 6), {}, 4, ""),
        (Demand(3, 53, 5), {"full": True}, 4, ""),
        # Between the thresholds nothing happens.
        (Demand(10, 60), {"full": True}, 4, ""),
        (Demand(0, 2), {}, 4, ""),
        # Too little to do: as many as would do, at most a quarter less, and never less than the minimum.
        (Demand(0, 1.5), {}, 3, "1.5 tasks a worker at most in 30 s"),
        (Demand(0, 1.9), {}, 4, ""),
        (Demand(0, 0), {}, 3, "0.0 tasks"),
        (Demand(0, 0), {"wanted": 40, "working": 40, "present": 40}, 30, "0.0 tasks"),
        (Demand(0, 0), {"wanted": 2, "working": 2, "present": 2}, 2, ""),
        # With few slots what stays must have room for what there is, and for the next task.
        (Demand(0, 0.5), {"slots": 1}, 3, "0.5 tasks"),
        (Demand(0, 0.6), {"slots": 1}, 4, ""),
        (Demand(0, 1), {"slots": 1}, 4, ""),
        # Not while one is still starting, or missing: the present ones say nothing about the number that is wanted.
        (Demand(1000, 1000), {"settled": False}, 4, ""),
        (Demand(0, 0), {"settled": False, "working": 3}, 4, ""),
    ],
)
def test_the_number_of_workers_that_is_wanted(seen: Demand, ours: dict[str, int | bool], wanted: int, words: str):
    decision = after_looks(seen, replace(FOUR, **ours))
    assert decision.wanted == wanted
    assert words in decision.reason


@pytest.mark.parametrize(
    ("seen", "ours", "wanted"),
    [
        (Demand(), 0, 0),
        (Demand(math.inf, 1), 0, 1),
        (Demand(11, 11), 0, 1),  # those of others have too much to do
        (Demand(9, 9), 0, 0),
        (Demand(0, 0), 1, 0),
        (Demand(0, 0.1), 1, 1),
    ],
)
def test_a_supervisor_that_may_go_down_to_none(seen: Demand, ours: int, wanted: int):
    rule = ScalingRule(minimum=0)
    workforce = Workforce(wanted=ours, working=ours, settled=True, present=ours, full=not ours, slots=50)
    assert after_looks(seen, workforce, rule).wanted == wanted


def test_the_first_of_all_workers_is_wanted_at_once_and_others_after_a_second_look():
    none = Workforce(wanted=0, working=0, settled=True, present=0, full=True, slots=50)
    assert after_looks(Demand(math.inf, 1), none, ScalingRule(minimum=0), looks=1).wanted == 1
    assert after_looks(Demand(1000, 1000), looks=1).wanted == 4
    assert after_looks(Demand(1000, 1000), looks=2).wanted == 8


def test_tasks_that_are_gone_at_the_next_look_start_no_worker():
    trend = Trend()
    for look in range(100):
        decision = decide(RULE, look * LOOK_SECONDS, Demand(1000 * (look % 2), 1000), FOUR, trend)
        assert decision.wanted == 4
        trend = decision.trend


def test_a_worker_is_given_up_only_after_the_whole_time_and_for_the_largest_load_in_it():
    trend = Trend()
    for look in range(16):
        seen = Demand(0, 1.5 if look == 3 else 0)
        decision = decide(RULE, look * LOOK_SECONDS, seen, replace(FOUR, wanted=8, working=8, present=8), trend)
        assert decision.wanted == (8 if look < 15 else 6)
        trend = decision.trend
    busy = decide(RULE, 28, Demand(0, 2), FOUR, Trend(0, 0.0, 1))
    assert busy.trend == Trend(), "the time begins anew"


def test_tasks_are_shared_with_the_workers_of_others():
    loads = [
        LaneLoad("a@1", queued=60, running=12, oldest_seconds=3, workers=6),
        LaneLoad("b@1", queued=8, running=0, oldest_seconds=7, workers=2),
        LaneLoad("not-ours@1", queued=9000, running=9000, oldest_seconds=99, workers=1),
    ]
    # Four of the six are others'; of ours, two are registered and a third is starting.
    assert demand(loads, {"a@1": "a@1", "b@1": "b@1"}, working=3, registered=2) == Demand(
        60 / 7 + 8 / 3, 72 / 7 + 8 / 3, 7
    )
    # The store may not have heard of ours yet.
    assert demand(loads[:1], {"a@1": "a@1"}, working=3, registered=9).waiting == 20
    nobody = LaneLoad("a@1", queued=1, running=0, oldest_seconds=0, workers=0)
    assert demand([nobody], {"a@1": "a@1"}, working=0, registered=0).waiting == math.inf
    assert demand([], {"a@1": "a@1"}, working=0, registered=0) == Demand()


def test_an_older_version_that_is_continued_counts_only_when_its_own_workers_are_gone():
    old = LaneLoad("a@1", queued=90, running=0, oldest_seconds=5, workers=3)
    new = LaneLoad("a@2", queued=0, running=0, oldest_seconds=0, workers=3)
    lanes = {"a@1": "a@2", "a@2": "a@2"}
    assert demand([old, new], lanes, working=3, registered=3) == Demand(30, 30, 5)
    assert demand([replace(old, workers=4), new], lanes, working=3, registered=3) == Demand()
    assert demand([replace(old, workers=0)], lanes, working=0, registered=0).waiting == math.inf


def simulated(rule: ScalingRule, slots: int, task_seconds: float, arrivals: list[float], at_once: float) -> list[int]:
    """The wanted numbers of workers over time, while so many tasks a second arrive at each look.

    A worker runs `slots` tasks at once, `at_once` of them without slowing each other down, and takes a look to start.
    """
    wanted, working, waiting, running, trend, numbers = rule.minimum, rule.minimum, 0.0, 0.0, Trend(), [rule.minimum]
    oldest = 0.0
    for look, rate in enumerate(arrivals):
        running -= min(running, min(running, working * at_once) * LOOK_SECONDS / task_seconds)
        waiting += rate * LOOK_SECONDS
        taken = max(min(waiting, working * slots - running), 0)
        waiting, running = waiting - taken, running + taken
        oldest = oldest + LOOK_SECONDS if waiting >= 1 else 0
        load = LaneLoad("a", int(waiting), math.ceil(running), oldest, working)
        starting = working != wanted
        full = running >= working * slots
        ours = Workforce(wanted, max(working, wanted), not starting, max(working, wanted), full, slots)
        working = wanted
        seen = demand([load], {"a": "a"}, working=max(working, 1), registered=working)
        decision = decide(rule, look * LOOK_SECONDS, seen, ours, trend)
        wanted, trend = decision.wanted, decision.trend
        numbers.append(wanted)
    return numbers


def test_two_supervisors_of_one_queue_grow_together_to_what_it_needs():
    """They look by turns. Of a thousand tasks those that no slot has taken wait, ten for each of fifty workers."""
    rule, slots = ScalingRule(minimum=1, maximum=100), 10
    wanted, working, trends = [1, 1], [1, 1], [Trend(), Trend()]
    for look in range(100):
        one = look % 2
        running = min(sum(working) * slots, 1000)
        load = LaneLoad("a@1", queued=1000 - running, running=running, oldest_seconds=1, workers=sum(working))
        settled = working[one] == wanted[one]
        ours = Workforce(wanted[one], working[one], settled, wanted[one], full=True, slots=slots)
        seen = demand([load], {"a@1": "a@1"}, working=working[one], registered=working[one])
        working[one] = wanted[one]
        decision = decide(rule, look * LOOK_SECONDS / 2, seen, ours, trends[one])
        wanted[one], trends[one] = decision.wanted, decision.trend
    assert 50 <= sum(wanted) <= 60
    assert min(wanted) > 15, "both took part"


def turns(numbers: list[int]) -> int:
    """How often growing became shrinking, or shrinking growing."""
    steps = [after > before for before, after in pairwise(numbers) if after != before]
    return sum(one != other for one, other in pairwise(steps))


@settings(max_examples=100, deadline=None)
@given(
    rate=st.floats(0, 200),
    task_seconds=st.floats(0.05, 120),
    slots=st.sampled_from([1, 2, 5, 50, 500]),
    share=st.floats(0.1, 1),
)
def test_under_a_steady_load_the_number_comes_to_rest(rate: float, task_seconds: float, slots: int, share: float):
    rule = ScalingRule(minimum=1, maximum=40)
    numbers = simulated(rule, slots, task_seconds, [rate] * 600, at_once=max(slots * share, 1))
    assert all(1 <= number <= 40 for number in numbers)
    assert turns(numbers) <= 7
    assert turns(numbers[300:]) <= 2


def test_who_was_given_up_and_missed_is_kept_longer_the_next_time():
    """Each worker does one task at a time though it takes two, so that half of its slots seem to be free."""
    numbers = simulated(ScalingRule(minimum=1), 2, 5.0, [0.5] * 600, at_once=1)
    downwards = [look for look, number in enumerate(numbers[1:], 1) if number < numbers[look - 1]]
    assert len(downwards) == 3
    assert downwards[2] - downwards[1] > 2.5 * (downwards[1] - downwards[0])
    # An hour later one of the mistakes is forgotten.
    trend = Trend(shrank=True, regrets=3, regretted_at=0)
    for now, regrets in ((3599, 3), (3600, 3), (7200, 2), (99_999, 1)):
        assert (
            decide(RULE, now, Demand(1000, 1000), FOUR, replace(trend, looks_under_pressure=1)).trend.regrets == regrets
        )


def test_a_burst_is_met_and_paid_back():
    rule = ScalingRule()
    numbers = simulated(rule, 10, 5.0, [0.2] * 30 + [100.0] * 60 + [0.2] * 300, at_once=10)
    assert numbers[29] == numbers[-1] == 2
    assert max(numbers) >= 40
    assert turns(numbers) == 1
