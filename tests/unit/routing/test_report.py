"""Labelled files, and what routers come to on them."""

from __future__ import annotations

from random import Random

import pytest

from roadworthy import RouteRequest, TrainedRouter
from roadworthy.core.model_gateway.routing.evidence import of_label, of_pair
from roadworthy.core.model_gateway.routing.features import SPACE
from roadworthy.core.model_gateway.routing.labelled_file import Labelled, LabelledFile, read_labelled
from roadworthy.core.model_gateway.routing.report import Judged, Report, report
from roadworthy.domain.errors import ExamplesUnusable
from roadworthy.domain.money import MicroDollars
from roadworthy.domain.route import Tier


def read(text: str) -> LabelledFile:
    return read_labelled(text.splitlines(keepends=True))


def cost(tier: Tier, text: str) -> MicroDollars:
    return {"simple": 1, "moderate": 10, "complex": 100}[tier] + (text == "long")


def named(found: Report) -> dict[str, Judged]:
    return {one.name: one for one in (*found.fixed, *found.routers)}


def test_a_file_with_tiers():
    file = read('text,tier\nhello,simple\n"a ""b"",\nc",Complex\n\n')
    assert file == LabelledFile(
        False, [Labelled("hello", of_label("simple")), Labelled('a "b",\nc', of_label("complex"))]
    )


def test_a_file_that_compares_models_in_columns_of_any_order():
    file = read("weak_small_model, Strong ,prompt,subject\nTrue,yes,one,x\n0,0.5,two,x\nno,1,three,x\n")
    assert file == LabelledFile(
        True, [Labelled("one", of_pair(1, 1)), Labelled("two", of_pair(0.5, 0)), Labelled("three", of_pair(1, 0))]
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column 'text'"),
        ("a,b\n1,2\n", "no column 'text'"),
        ("text,prompt,tier\n", "several columns 'text'"),
        ("text,strong\n", "no column 'weak'"),
        ("text,weak,weaker,strong\n", "several columns 'weak'"),
        ("text,tier\nhello,hard\n", "line 2: 'hard' is none of simple, moderate, complex"),
        ("text,tier\nhello,simple\nhello\n", "line 3 has 1 columns, and the first line has 2"),
        ("text,weak,strong\na,1,maybe\n", "line 2: 'maybe' is not true, false or a number from 0 to 1"),
        ("text,weak,strong\na,1.5,1\n", "line 2: '1.5' is not"),
        ("text,weak,strong\na,nan,1\n", "line 2: 'nan' is not"),
        ('text,tier\n"hello,simple\n', "is not CSV"),
        (f"text,tier\n{'x' * 200_000},simple\n", "is not CSV: field larger"),
    ],
)
def test_a_file_that_is_not_understood(text: str, words: str):
    with pytest.raises(ExamplesUnusable, match=words):
        read(text)


def test_bytes_that_are_no_text():
    with pytest.raises(ExamplesUnusable, match="after line 1 it is not UTF-8"):
        read_labelled(line.decode() for line in (b"text,tier\n", b"\xff,simple\n"))


def test_choices_on_a_file_with_tiers():
    labels: list[Tier] = ["simple", "simple", "moderate", "complex"]
    file = LabelledFile(False, [Labelled("short", of_label(tier)) for tier in labels])
    found = report(file, 0.95, cost)
    rows = named(found)
    assert {name: (row.quality, row.cost_per_1000) for name, row in rows.items()} == {
        "always simple": (0.5, 1000),
        "always moderate": (0.75, 10_000),
        "always complex": (1.0, 100_000),
        "rules": (0.5, 1000),
    }
    assert rows["rules"].shares == {"simple": 1.0, "moderate": 0.0, "complex": 0.0}
    assert (found.weak, found.strong, found.compares_models) == (0.5, 1.0, False)
    assert found.not_trained is not None
    assert "there are 4 examples" in found.not_trained


def test_choices_on_a_file_that_compares_models():
    pairs = [(1, 1), (1, 0), (0, 1), (0, 0)]
    texts = ["short", "Prove it.", "short", "short"]
    file = LabelledFile(True, [Labelled(text, of_pair(*pair)) for text, pair in zip(texts, pairs, strict=True)])
    rows = named(report(file, 0.95, cost))
    assert {name: row.quality for name, row in rows.items()} == {
        "always simple": 0.5,
        "always complex": 0.5,
        "rules": 0.5,
    }
    certain = TrainedRouter([0.0] * SPACE, (-1.0, 1.0))
    (_, given) = report(file, 0.95, None, certain).routers
    # What is not simple is answered by the strong model.
    assert (given.name, given.quality, given.shares["moderate"]) == ("the given one", 0.5, 1.0)
    assert given.cost_per_1000 is None


def test_a_trained_router_is_judged_on_what_it_has_not_seen():
    chance = Random(1)
    words = [(f"contract {chance.random()}", (1, 0)) for _ in range(60)]
    words += [(f"parcel {chance.random()}", (1, 1)) for _ in range(60)]
    file = LabelledFile(True, [Labelled(text, of_pair(*pair)) for text, pair in words])
    found = report(file, 0.95, cost)
    trained = named(found)["trained"]
    assert trained.curve is not None
    assert trained.curve.apgr > 0.7
    assert trained.quality >= 0.95
    assert trained.shares["simple"] >= 0.5
    assert found.not_trained is None
    noise = LabelledFile(True, [Labelled(f"parcel {n}", of_pair(1, n % 2)) for n in range(200)])
    judged = named(report(noise, 0.95, cost))["trained"].curve
    assert judged is not None
    assert 0.3 < judged.apgr < 0.7


def test_an_empty_file_has_no_report():
    with pytest.raises(ExamplesUnusable, match="no requests"):
        report(read("text,tier\n"), 0.95, None)


def test_the_rules_of_a_report_are_those_of_a_service():
    file = LabelledFile(False, [Labelled("Prove it.", of_label("complex"))] * 3)
    from roadworthy import RuleRouter

    tier = RuleRouter().route(RouteRequest("Prove it.", {}, "", "", "", ""))
    assert named(report(file, 0.95, None))["rules"].shares[tier] == 1.0
