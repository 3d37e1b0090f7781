"""What labels, grades and compared models say of the two lines."""

from __future__ import annotations

import pytest

from roadworthy.core.model_gateway.routing.evidence import (
    ENOUGH,
    NOT_ENOUGH,
    NOTHING,
    Evidence,
    Lines,
    of_grade,
    of_label,
    of_pair,
    of_session,
)
from roadworthy.domain.errors import InvalidRequest
from roadworthy.domain.grade import Grade, GradedSession, GradedTask, GradeSource, Mark, NewGrade
from roadworthy.domain.ids import new_id
from roadworthy.domain.route import Tier


def grade(mark: Mark | None = None, enough: Tier | None = None, source: GradeSource = "user", at: float = 0) -> Grade:
    return Grade(new_id(), source, mark, enough, None, "alice", at)


def session(*tasks: tuple[Tier | None, Grade]) -> GradedSession:
    return GradedSession(new_id(), "support", "hello", tuple(GradedTask(tier, (one,)) for tier, one in tasks))


@pytest.mark.parametrize(
    ("tier", "lines"),
    [
        ("simple", (ENOUGH, ENOUGH)),
        ("moderate", (NOT_ENOUGH, ENOUGH)),
        ("complex", (NOT_ENOUGH, NOT_ENOUGH)),
    ],
)
def test_a_label_names_the_cheapest_tier_that_is_enough(tier: Tier, lines: Lines):
    assert of_label(tier) == lines


@pytest.mark.parametrize(
    ("mark", "tier", "lines"),
    [
        ("good", "simple", (ENOUGH, ENOUGH)),
        ("good", "moderate", (None, ENOUGH)),
        ("good", "complex", NOTHING),
        ("bad", "simple", (NOT_ENOUGH, None)),
        ("bad", "moderate", (NOT_ENOUGH, NOT_ENOUGH)),
        ("bad", "complex", NOTHING),
    ],
)
def test_a_grade_says_what_the_tier_was_enough_for(mark: Mark, tier: Tier, lines: Lines):
    assert of_grade(mark, tier) == lines


@pytest.mark.parametrize(
    ("strong", "weak", "expected"),
    [
        (1, 0, Evidence(1.0, 1, 1)),
        (0, 1, Evidence(0.0, -1, 0)),
        (1, 1, Evidence(0.5, 0, 1)),
        (0, 0, Evidence(0.5, 0, 0)),
        (0.75, 0.5, Evidence(0.625, 0.25, 0.75)),
    ],
)
def test_two_models_say_what_the_stronger_gains(strong: float, weak: float, expected: Evidence):
    assert of_pair(strong, weak) == (expected, expected)


@pytest.mark.parametrize(
    ("graded", "lines"),
    [
        (session(("simple", grade("good"))), (ENOUGH, ENOUGH)),
        (session(("simple", grade("good")), ("simple", grade("bad"))), (NOT_ENOUGH, ENOUGH)),
        (session(("simple", grade("bad")), ("moderate", grade("good"))), (NOT_ENOUGH, ENOUGH)),
        (session(("simple", grade("good")), ("moderate", grade("bad"))), (NOT_ENOUGH, NOT_ENOUGH)),
        (session(("complex", grade("good"))), NOTHING),
        (session((None, grade("bad"))), NOTHING),
        (session((None, grade(enough="complex", source="operator"))), (NOT_ENOUGH, NOT_ENOUGH)),
        (session(("simple", grade("bad")), ("simple", grade(enough="simple", source="operator"))), (ENOUGH, ENOUGH)),
        (
            session(
                ("simple", grade(enough="complex", source="operator", at=1)),
                ("simple", grade(enough="moderate", source="eval", at=2)),
            ),
            (NOT_ENOUGH, ENOUGH),
        ),
    ],
)
def test_a_session_says_what_all_of_it_says(graded: GradedSession, lines: Lines):
    assert of_session(graded) == lines


def test_a_grade_that_says_nothing_is_none():
    with pytest.raises(InvalidRequest, match="needs a grade"):
        NewGrade("user")
    for note in ("x" * 2001, "a\0b"):
        with pytest.raises(InvalidRequest, match="note"):
            NewGrade("user", "good", note=note)
