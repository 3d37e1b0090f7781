"""What routers see of a request, and what the rules make of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from roadworthy import RouteRequest, RuleRouter
from roadworthy.core.model_gateway.routing.features import HEAD, MOST_LENGTH, SPACE, TAIL, features_of

SIMPLE = [
    "Hi, where is my parcel?",
    "What is the capital of France?",
    "thanks!",
    "",
    "translate 'good morning' into Spanish",
]
MODERATE = [
    "Prove that the square root of 2 is irrational.",
    "Please write a function that merges two sorted lists.",
    "Can you compare the two insurance plans for a family of four?",
    "Mend this:\n```python\ndef f(): return 1 +\n```" + " It should add two numbers." * 3,
    "I ordered a lamp in March. " * 12,
]
COMPLEX = [
    "word " * 500,
    "Design the architecture of a shop.\n" + "\n".join(f"- it must do {n} things at once" for n in range(12)),
]


def tier_of(text: str) -> str:
    return RuleRouter().route(RouteRequest(text, {}, "acme", "alice", "support", "1"))


@pytest.mark.parametrize(
    ("text", "tier"),
    [
        (text, tier)
        for tier, texts in (("simple", SIMPLE), ("moderate", MODERATE), ("complex", COMPLEX))
        for text in texts
    ],
)
def test_rules(text: str, tier: str):
    assert tier_of(text) == tier


@pytest.mark.parametrize(
    ("plain", "harder"),
    [
        ("Where is it?", "Where is it? It was sent on Monday."),
        ("Mend this: x = 1", "Mend this: ``` x = 1 ```"),
        ("Tell me of it", "Derive all of it"),
        ("Thanks: the proof of it", "Please: the proof of it"),
        ("Is it late. Is it here?", "Is it late? Is it here?"),
        ("the rigor of a paper", "the proof of a theory"),
        ("one\n. two\n. three\n", "one\n- two\n- three\n"),
    ],
)
def test_each_rule_counts(plain: str, harder: str):
    router = RuleRouter()
    gap = router.score(harder) - router.score(plain)
    assert gap >= 0.25


@pytest.mark.parametrize("text", ["\0", "\ud800", "\n" * 100_000, " \n" * 50_000, "- \n" * 30_000, "?" * 100_000])
def test_no_text_is_too_strange(text: str):
    assert tier_of(text) in ("simple", "moderate", "complex")
    assert all(0 <= one < SPACE for one in features_of(text))


def test_features_are_the_same_in_every_process():
    text = "Wo ist mein Paket DC-2207? 注文は?"
    code = (
        f"from roadworthy.core.model_gateway.routing.features import features_of; print(sorted(features_of({text!r})))"
    )
    seen = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        for seed in ("1", "2")
    ]
    assert seen[0].stdout == seen[1].stdout == f"{sorted(features_of(text))}\n"


def test_features_stay_the_same_from_release_to_release():
    # A router's file holds a weight for each: where these change, TrainedRouter must refuse older files.
    assert sorted(features_of("Hi, you")) == [10924, 30742, 33646, 40508, 41924, 44970]


def test_words_pairs_of_words_and_length_are_seen():
    assert len(features_of("one")) == 2
    assert len(features_of("one two")) == 4
    assert set(features_of("one two")) != set(features_of("two one"))
    assert set(features_of("One")) == set(features_of("one"))
    assert len(features_of("東京都")) == len(features_of("a b c")) == 6


def test_of_a_long_text_both_ends_are_read():
    middle = "filler " * 1000
    assert len(middle) > HEAD + TAIL
    plain = set(features_of(f"{middle}{middle}{middle}"))
    assert set(features_of(f"question {middle}{middle}{middle}")) - plain
    assert set(features_of(f"{middle}{middle}{middle} question")) - plain
    assert set(features_of(f"{middle} question {middle}{middle}")) == plain
    assert set(features_of("filler " * MOST_LENGTH)) == set(features_of("filler " * MOST_LENGTH * 2))
