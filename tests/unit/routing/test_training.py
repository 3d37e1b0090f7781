"""Routers that learn: what from, how surely, and what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from roadworthy import RouteRequest, TrainedRouter
from roadworthy.core.model_gateway.routing.evidence import Lines, of_grade, of_label, of_pair
from roadworthy.core.model_gateway.routing.features import SPACE
from roadworthy.core.model_gateway.routing.trained import ALWAYS, NEVER
from roadworthy.core.model_gateway.routing.training import Example, train
from roadworthy.domain.errors import ExamplesUnusable, RouterNotLoadable
from roadworthy.domain.route import Tier

WORDS: dict[Tier, list[str]] = {
    "simple": ["parcel", "address", "hours", "price", "colour", "size", "shop"],
    "moderate": ["refund", "invoice", "exchange", "guarantee", "complaint", "broken"],
    "complex": ["lawsuit", "contract", "liability", "damages", "court", "appeal"],
}
FILLER = ["my", "the", "is", "about", "for", "please", "a", "what", "with", "can", "you", "this"]


def request(tier: Tier, chance: Random) -> str:
    words = chance.choices(FILLER, k=8) + chance.choices(WORDS[tier], k=3)
    chance.shuffle(words)
    return " ".join(words)


def examples(lines_of: Callable[[Tier], Lines], tiers: tuple[Tier, ...] = ("simple", "moderate", "complex")) -> Any:
    chance = Random(5)
    return [Example.of(request(tier, chance), lines_of(tier)) for _ in range(60) for tier in tiers]


def routed(router: TrainedRouter, tier: Tier) -> list[Tier]:
    """What it makes of requests that it has not seen."""
    chance = Random(6)
    return [router.route(RouteRequest(request(tier, chance), {}, "", "", "", "")) for _ in range(50)]


def share(found: list[Tier], *wanted: Tier) -> float:
    return sum(tier in wanted for tier in found) / len(found)


def test_it_learns_three_tiers_from_labels():
    router = train(examples(of_label), 0.98).router
    assert all(share(routed(router, tier), tier) > 0.85 for tier in WORDS)


def test_it_learns_from_thumbs():
    def thumb(needed: Tier) -> Lines:
        return of_grade("good" if needed == "simple" else "bad", "simple")

    router = train(examples(thumb), 0.95).router
    assert share(routed(router, "simple"), "simple") > 0.85
    # Nobody has graded a moderate answer: there is no reason yet to go higher.
    assert share(routed(router, "complex"), "moderate") > 0.85
    assert router.cuts[1] == NEVER


def test_it_tries_nothing_that_nobody_has_called_good():
    def thumb(needed: Tier) -> Lines:
        return of_grade("bad" if needed == "complex" else "good", "moderate")

    router = train(examples(thumb), 0.98).router
    assert router.cuts[0] == ALWAYS
    assert share(routed(router, "simple"), "moderate") > 0.85
    assert share(routed(router, "complex"), "complex") > 0.85


def test_two_models_teach_one_line():
    router = train(examples(lambda tier: of_pair(1, tier == "simple")), 0.95).router
    assert router.cuts[0] == router.cuts[1]
    assert share(routed(router, "simple"), "simple") > 0.85
    assert share(routed(router, "complex"), "complex") > 0.85


def test_the_more_quality_is_to_be_kept_the_more_goes_to_the_harder_side():
    chance = Random(2)
    noisy = examples(lambda tier: of_pair(1, chance.random() < (0.8 if tier == "simple" else 0.4)))
    cuts = [train(noisy, keep).router.cuts[0] for keep in (0.7, 0.9, 0.99)]
    assert cuts == sorted(cuts, reverse=True)
    assert len(set(cuts)) == 3


def test_what_it_promises_comes_from_requests_that_it_had_not_seen():
    chance = Random(4)
    noise = [Example.of(request("simple", chance), of_pair(1, chance.random() < 0.5)) for _ in range(200)]
    curve = train(noise, 0.95).curves[0]
    assert curve is not None
    assert 0.35 < curve.apgr < 0.65, "it took what it learnt by heart for knowledge"


def test_the_same_examples_give_the_same_router():
    first, second = (train(examples(of_label), 0.95).router for _ in range(2))
    assert first.cuts == second.cuts
    text = request("moderate", Random(1))
    assert first.score(text) == second.score(text)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "there are 0 examples"),
        (examples(of_label)[:49], "there are 49 examples"),
        (examples(of_label, ("simple",)), "60 examples say that a cheaper tier is enough and 0 that it is not"),
        (examples(lambda tier: of_grade("good", "complex")), "0 examples"),
        (examples(of_label, ("simple",)) + examples(of_label)[2:6:3], "of each"),
    ],
)
def test_too_little_to_learn_from(given: list[Example], words: str):
    with pytest.raises(ExamplesUnusable, match=words):
        train(given, 0.95)


def test_a_saved_router_decides_the_same(tmp_path: Path):
    router, path = train(examples(of_label), 0.95).router, tmp_path / "router.json"
    router.save(path)
    loaded = TrainedRouter.load(path)
    assert loaded.cuts == router.cuts
    assert loaded.trained_on == {"examples": 180, "keep": 0.95}
    for tier in WORDS:
        assert routed(loaded, tier) == routed(router, tier)
    chance = Random(1)
    for _ in range(50):
        text = request("moderate", chance)
        assert loaded.score(text) == router.score(text)
    assert [file.name for file in tmp_path.iterdir()] == ["router.json"]


def test_a_router_that_can_not_be_written_leaves_the_old_one(tmp_path: Path):
    path = tmp_path / "router.json"
    path.mkdir()
    with pytest.raises(OSError, match="router"):
        train(examples(of_label), 0.95).router.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["router.json"]


def broken(**changed: Any) -> str:
    weights = TrainedRouter([0.5] * SPACE, (0.0, 1.0))
    content = {"format": 1, "space": SPACE, "cuts": [0.0, 1.0], "trained_on": {}, "weights": _encoded(weights)}
    return json.dumps({name: value for name, value in (content | changed).items() if value != "left out"})


def _encoded(router: TrainedRouter) -> str:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        router.save(Path(folder) / "r")
        return json.loads((Path(folder) / "r").read_text())["weights"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is not JSON"),
        ("\udcff", "is not JSON"),
        ("[]", "no router of this release"),
        ("{}", "no router of this release"),
        (broken(format=2), "no router of this release"),
        (broken(space=1024), "no router of this release"),
        (broken(weights="left out"), "no router of this release"),
        (broken(weights="a§"), "no router of this release"),
        (broken(weights="AAAAAA=="), "is damaged"),
        (broken(weights="AAAAAA"), "no router of this release"),
        (broken(weights="AAAAAAAAAAAAAAAA"), "is damaged"),
        (broken(cuts=[1]), "no router of this release"),
        (broken(cuts=[2, 1]), "is damaged"),
        (broken(cuts=[float("nan"), 1]), "is damaged"),
        (broken(cuts=["a", "b"]), "no router of this release"),
    ],
)
def test_a_file_that_is_no_router_is_refused_with_what_to_do(tmp_path: Path, content: str, words: str):
    path = tmp_path / "router.json"
    path.write_text(content, "utf-8", "surrogateescape")
    with pytest.raises(RouterNotLoadable, match=words) as refused:
        TrainedRouter.load(path)
    assert "roadworthy route train" in refused.value.message
    with pytest.raises(RouterNotLoadable, match="there is no file"):
        TrainedRouter.load(tmp_path / "nothing.json")


def test_the_file_that_the_breaking_starts_from_is_whole(tmp_path: Path):
    path = tmp_path / "router.json"
    path.write_text(broken())
    assert TrainedRouter.load(path).cuts == (0.0, 1.0)
