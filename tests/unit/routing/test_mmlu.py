"""The routers on questions of which it is known who answered them rightly: RouteLLM's MMLU file."""

from __future__ import annotations

import pytest
from benchmarks.routing import MMLU, read_mmlu

from roadworthy import RuleRouter
from roadworthy.core.model_gateway.routing.report import BASIC_LINE
from roadworthy.core.model_gateway.routing.trained import weighed
from roadworthy.core.model_gateway.routing.training import Example, curve_of_line, fitted

pytestmark = pytest.mark.skipif(not MMLU.exists(), reason=f"the data set {MMLU} is not there")


def test_the_rules_are_better_than_chance():
    file, rules = read_mmlu(), RuleRouter()
    examples = [Example(features=None, lines=one.lines) for one in file.examples]  # type: ignore[arg-type]
    curve = curve_of_line(BASIC_LINE, [rules.score(one.text) for one in file.examples], examples)
    assert curve is not None
    assert len(examples) == 14_042
    assert (round(curve.weak, 3), round(curve.strong, 3)) == (0.681, 0.806)
    assert curve.apgr >= 0.58
    assert curve.share_for(0.95) < 0.56


def test_a_trained_router_is_better_than_the_rules():
    # One fold of five, so that it takes seconds; `make bench` takes all of them.
    examples = [Example.of(one.text, one.lines) for one in read_mmlu().examples]
    unseen = examples[::5]
    weights = fitted([one for place, one in enumerate(examples) if place % 5])
    curve = curve_of_line(BASIC_LINE, [weighed(weights, one.features) for one in unseen], unseen)
    assert curve is not None
    assert len(unseen) == 2809
    assert curve.apgr >= 0.64
    assert curve.share_for(0.95) < 0.5
