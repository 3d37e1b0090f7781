"""Which of several equal calls a call is, and the key that follows from it."""

from random import Random
from typing import Any

import pytest

from roadworthy.core.tool_gateway.equal_calls import EqualCalls, idempotency_key
from roadworthy.domain.effect import Outcome
from roadworthy.domain.ids import new_id

DONE, NOT_DONE, FAILED, DENIED = Outcome.DONE, Outcome.NOT_DONE, Outcome.FAILED, Outcome.DENIED


class Calls:
    """Equal calls, one after the other."""

    def __init__(self, *, repeats: bool) -> None:
        self.calls, self.repeats = EqualCalls(), repeats
        self.made = 0

    def next(self, step: int, outcome: str | None = DONE) -> int:
        self.made += 1
        call = self.calls.arrived("d", f"t{step}:{self.made}", step, repeats=self.repeats)
        call.ended(outcome)
        return call.ordinal


def test_of_calls_that_repeat_each_one_that_was_done_is_another():
    calls = Calls(repeats=True)
    assert [calls.next(1), calls.next(1), calls.next(2), calls.next(3)] == [0, 1, 2, 3]


@pytest.mark.parametrize("outcome", [NOT_DONE, FAILED, DENIED])
def test_what_did_not_happen_in_an_earlier_step_gives_its_place_back(outcome: Outcome):
    calls = Calls(repeats=True)
    assert [calls.next(1), calls.next(1, outcome), calls.next(1)] == [0, 1, 2]
    assert [calls.next(2), calls.next(2)] == [1, 3]


def test_one_that_raised_an_error_and_is_made_again_is_the_same():
    calls = Calls(repeats=True)
    assert [calls.next(1, None), calls.next(1), calls.next(1)] == [0, 0, 1]


def test_a_model_that_asks_again_means_the_same_and_twice_in_one_reply_means_two():
    calls = Calls(repeats=False)
    assert [calls.next(1), calls.next(1), calls.next(2), calls.next(2), calls.next(2)] == [0, 1, 0, 1, 2]


def test_the_first_that_was_done_is_met_and_no_other():
    calls = EqualCalls()
    first = calls.arrived("d", "t1:a", 1, repeats=False)
    beside = calls.arrived("d", "t1:b", 1, repeats=False)
    first.ended(NOT_DONE)
    beside.ended(DONE)
    again = calls.arrived("d", "t2:a", 2, repeats=False)
    assert calls.done_before("d", again) is None
    assert calls.done_before("d", calls.arrived("d", "t2:b", 2, repeats=False)) is beside
    again.ended(DONE)
    assert calls.done_before("d", calls.arrived("d", "t3:a", 3, repeats=False)) is again
    assert calls.arrived("other", "t3:x", 3, repeats=False).ordinal == 0


def test_a_call_that_comes_once_more_in_the_same_run_keeps_its_place():
    calls = EqualCalls()
    first, second = (calls.arrived("d", name, 1, repeats=True) for name in ("t1:a", "t1:b"))
    assert calls.arrived("d", "t1:a", 1, repeats=True) is first and second.ordinal == 1


@pytest.mark.parametrize("repeats", [True, False])
def test_a_replay_is_told_the_same(repeats: bool):
    """In the first run calls of a step are under way together and end in any order, in a replay each ends at once."""
    for seed in range(200):
        chance = Random(seed)
        steps = [
            [("d" if chance.random() < 0.7 else "e", chance.choice((DONE, NOT_DONE, FAILED))) for _ in range(4)]
            for _ in range(4)
        ]
        first, again = EqualCalls(), EqualCalls()
        told: list[int] = []
        told_again: list[int] = []
        for step, made in enumerate(steps, 1):
            calls = [
                first.arrived(digest, f"t{step}:{place}", step, repeats=repeats)
                for place, (digest, _) in enumerate(made)
            ]
            told += [call.ordinal for call in calls]
            ended = list(zip(calls, made, strict=True))
            chance.shuffle(ended)
            for call, (_, outcome) in ended:
                call.ended(outcome)
            for place, (digest, outcome) in enumerate(made):
                call = again.arrived(digest, f"t{step}:{place}", step, repeats=repeats)
                told_again.append(call.ordinal)
                call.ended(outcome)
        assert told == told_again, seed


def test_the_key_is_made_of_all_that_tells_effects_apart():
    task_id = new_id()
    arguments: list[Any] = [task_id, 0, "", "pay", b'{"item":"tea"}', 0]
    others: list[list[Any]] = [
        [new_id(), *arguments[1:]],
        [task_id, 1, *arguments[2:]],
        [task_id, 0, "t1:x/a1", *arguments[3:]],
        [task_id, 0, "", "refund", *arguments[4:]],
        [task_id, 0, "", "pay", b'{"item":"coffee"}', 0],
        [task_id, 0, "", "pay", b'{"item":"tea"}', 1],
    ]
    keys = [idempotency_key(*each) for each in (arguments, *others)]
    assert len(set(keys)) == len(keys)
    assert idempotency_key(*arguments) == keys[0]
    assert keys[0].startswith("rw-") and len(keys[0]) == 35
