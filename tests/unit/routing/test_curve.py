"""APGR and the cuts, on curves that can be reckoned by hand."""

from __future__ import annotations

from random import Random

import pytest

from roadworthy.core.model_gateway.routing.curve import Curve, curve_of
from roadworthy.core.model_gateway.routing.evidence import Evidence, of_pair

Pair = tuple[int, int]
GAIN, BOTH, NONE, LOSS = (1, 0), (1, 1), (0, 0), (0, 1)
"""`(strong, weak)` is right."""


def curve(*scored: tuple[float, Pair]) -> Curve:
    return curve_of([score for score, _ in scored], [evidence(pair) for _, pair in scored])


def evidence(pair: Pair) -> Evidence:
    one, _ = of_pair(*pair)
    assert one is not None
    return one


def test_an_order_that_knows_which_requests_gain():
    # Quality rises from 1/4 to 3/4 over the first half of the calls and stays there.
    perfect = curve((4, GAIN), (3, GAIN), (2, BOTH), (1, NONE))
    assert (perfect.weak, perfect.strong) == (0.25, 0.75)
    assert [point[:2] for point in perfect.points] == [(0.25, 0.5), (0.5, 0.75), (0.75, 0.75), (1, 0.75)]
    assert perfect.apgr == pytest.approx(0.75)


def test_the_opposite_order():
    assert curve((1, GAIN), (2, GAIN), (3, BOTH), (4, NONE)).apgr == pytest.approx(0.25)


def test_more_than_everything_is_recovered_where_the_weak_one_is_better():
    best = curve((3, GAIN), (2, BOTH), (1, LOSS), (4, GAIN))
    assert best.points[1][:2] == (0.5, 1.0)
    assert best.apgr == pytest.approx(0.25 * 0.5 + 0.25 * 1.5 + 0.25 * 2 + 0.25 * 1.5)


def test_equal_scores_come_in_no_order():
    assert curve((1, GAIN), (1, BOTH), (1, NONE), (1, GAIN)).apgr == pytest.approx(0.5)


def test_chance_is_one_half():
    chance, pairs = Random(3), [GAIN, BOTH, NONE, LOSS, GAIN]
    assert curve(*((chance.random(), pairs[n % 5]) for n in range(20_000))).apgr == pytest.approx(0.5, abs=0.03)


def test_without_a_gap_nothing_can_be_recovered():
    assert curve((1, GAIN), (2, LOSS)).apgr == 0.5


def test_quality_between_two_points():
    perfect = curve((4, GAIN), (3, GAIN), (2, BOTH), (1, NONE))
    assert perfect.quality_at(0) == 0.25
    assert perfect.quality_at(0.125) == pytest.approx(0.375)
    assert perfect.quality_at(0.5) == perfect.quality_at(1) == 0.75


def test_the_least_share_and_its_cut():
    perfect = curve((4, GAIN), (3, GAIN), (2, BOTH), (1, NONE))
    assert (perfect.share_for(1), perfect.cut_for(1)) == (0.5, 3)
    assert (perfect.share_for(0.66), perfect.cut_for(0.66)) == (0.25, 4)
    assert perfect.cut_for(0.33) is None
    worst = curve((1, GAIN), (2, GAIN), (3, BOTH), (4, NONE))
    assert (worst.share_for(1), worst.cut_for(1)) == (1, 1)
