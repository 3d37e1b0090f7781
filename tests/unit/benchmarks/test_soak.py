"""What a soak concludes: from kinds, samples and counted calls."""

from collections import Counter
from pathlib import Path

import pytest
from benchmarks.soak.clients import Accepted
from benchmarks.soak.kinds import RULES, kind_of
from benchmarks.soak.samples import Sample, trend
from benchmarks.soak.verdict import wrong_ends_and_effects


def test_a_hundred_tasks_have_each_kind_in_its_share() -> None:
    assert Counter(map(kind_of, range(100))) == {kind: rules.share for kind, rules in RULES.items()}
    assert len({kind_of(number) for number in range(20)}) > 4, "kinds come mixed"


def test_memory_that_grows_is_told_from_memory_that_does_not() -> None:
    samples = [Sample(n * 100, {"leak": 100 + n, "flat": 50 + n % 2, "start": min(n, 20)}) for n in range(101)]
    assert trend(samples, "leak", 10_000).slope == pytest.approx(10)
    assert trend(samples, "leak", 10_000).ratio > 1.3
    assert trend(samples, "flat", 10_000).ratio == pytest.approx(1, abs=0.01)
    assert trend(samples, "start", 10_000).ratio == 1, "what comes before the warm-up is over is no leak"


def test_too_few_samples_are_no_verdict() -> None:
    with pytest.raises(ValueError, match="run more tasks"):
        trend([Sample(1000, {"a": 1})] * 7, "a", 1000)


@pytest.mark.parametrize(
    ("kind", "status", "waited", "calls", "said"),
    [
        ("plain", "succeeded", False, [], ""),
        ("plain", "dead", False, [], "1 plain tasks ended dead"),
        ("broken", "dead", False, [], ""),
        ("broken", "succeeded", False, [], "1 broken tasks ended succeeded"),
        ("tools", "succeeded", False, ["charge"], ""),
        ("tools", "succeeded", False, [], "1 tasks succeeded without their charge"),
        ("tools", "succeeded", False, ["charge", "charge"], "1 charges were made more than once"),
        ("tools", "cancelled", True, ["charge"], ""),
        ("tools", "cancelled", False, ["charge"], "1 tools tasks ended cancelled"),
        ("plain", "cancelled", True, [], "1 plain tasks ended cancelled"),
        ("unwanted", "cancelled", False, [], ""),
        ("plain", None, False, [], "1 tasks were lost"),
    ],
)
def test_the_verdict_on_one_task(tmp_path: Path, kind, status, waited, calls, said: str) -> None:
    file = tmp_path / "calls"
    file.write_text("".join(f"{tool} a item\n" for tool in calls))
    stored = {} if status is None else {"a": (status, waited)}
    found = wrong_ends_and_effects(Accepted(kinds={"a": kind}), stored, file)
    assert bool(found) == bool(said)
    assert said in " ".join(found)


def test_a_task_that_nobody_was_told_of_is_one_too_many(tmp_path: Path) -> None:
    (tmp_path / "calls").touch()
    (found,) = wrong_ends_and_effects(Accepted(), {"a": ("succeeded", False)}, tmp_path / "calls")
    assert "stored for requests that have another task" in found
