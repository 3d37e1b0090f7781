"""Trains a router: logistic regression over hashed features, in plain Python, the same result each time."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roadworthy.core.model_gateway.routing.curve import Curve, curve_of
from roadworthy.core.model_gateway.routing.evidence import Evidence, Lines
from roadworthy.core.model_gateway.routing.features import SPACE, features_of
from roadworthy.core.model_gateway.routing.trained import ALWAYS, NEVER, TrainedRouter, weighed
from roadworthy.domain.errors import ExamplesUnusable

FEWEST, FEWEST_OF_A_KIND = 50, 10
MOST = 20_000
"""Examples. Training takes about 1 ms for each, all folds included, and a thousand take about 1.5 MB."""

_FOLDS = 5
_RATE, _BIAS_RATE = 0.02, 0.02
_FEWEST_ROUNDS, _MOST_ROUNDS, _SEEN_IN_ALL = 2, 10, 8000
"""Few examples are gone over more often. Chosen on every second request of RouteLLM's MMLU file; the others agree."""

_SEED = 1
_START = 1e-3
"""Of the squared gradients that a weight has seen (AdaGrad): keeps its first step finite."""


@dataclass(frozen=True, slots=True)
class Example:
    features: array[int]
    lines: Lines

    @classmethod
    def of(cls, text: str, lines: Lines) -> Example:
        return cls(array("I", features_of(text)), lines)


@dataclass(frozen=True, slots=True)
class Trained:
    router: TrainedRouter
    scores: Sequence[float]
    """Of each example, by a router that had not seen it."""
    curves: tuple[Curve | None, Curve | None]
    """Of each line, by these scores; None where nothing is known of it."""


def train(examples: Sequence[Example], keep: float) -> Trained:
    """A router that keeps at least the share `keep` of the quality that the hardest tier has on these examples.

    Its cuts come from cross-validation: by the scores that it gives what it learnt from it would be too sure.
    ExamplesUnusable for too few examples, or if they are all of one kind.
    """
    check_examples(examples)
    validated = cross_validated(examples)
    curves = (curve_of_line(0, validated.scores, examples), curve_of_line(1, validated.scores, examples))
    first, second = (_cut(line, curve, keep, examples) for line, curve in enumerate(curves))
    counts = {"examples": len(examples), "keep": keep}
    router = TrainedRouter(validated.weights, (min(first, second), second), counts)
    return Trained(router, validated.scores, curves)


def check_examples(examples: Sequence[Example]) -> None:
    """ExamplesUnusable, with what is missing."""
    if len(examples) < FEWEST:
        raise ExamplesUnusable(f"there are {len(examples)} examples; a router needs at least {FEWEST}")
    kinds = [_kinds(one.lines[line] for one in examples) for line in (0, 1)]
    if not any(min(kind) >= FEWEST_OF_A_KIND for kind in kinds):
        enough, not_enough = max(kinds, key=min)
        raise ExamplesUnusable(
            f"{enough} examples say that a cheaper tier is enough and {not_enough} that it is not; "
            f"a router needs at least {FEWEST_OF_A_KIND} of each"
        )


@dataclass(frozen=True, slots=True)
class CrossValidated:
    scores: Sequence[float]
    """Of each example, by weights that were fitted without it."""
    weights: Sequence[float]
    """The mean of all that were fitted: scores of new requests are on the scale of these."""


def cross_validated(examples: Sequence[Example]) -> CrossValidated:
    """Five times on four fifths."""
    order = list(range(len(examples)))
    random.Random(_SEED).shuffle(order)  # noqa: S311
    scores, total = [0.0] * len(examples), [0.0] * SPACE
    for fold in range(_FOLDS):
        held_out = order[fold::_FOLDS]
        rest = set(order).difference(held_out)
        weights = fitted([examples[place] for place in order if place in rest])
        total = [one + other for one, other in zip(total, weights, strict=True)]
        for place in held_out:
            scores[place] = weighed(weights, examples[place].features)
    return CrossValidated(scores, [one / _FOLDS for one in total])


def curve_of_line(line: int, scores: Sequence[float], examples: Sequence[Example]) -> Curve | None:
    known = [(score, one.lines[line]) for score, one in zip(scores, examples, strict=True)]
    said = [(score, evidence) for score, evidence in known if evidence is not None]
    return curve_of([score for score, _ in said], [evidence for _, evidence in said]) if said else None


def fitted(examples: Sequence[Example]) -> list[float]:
    """Weights of one direction of difficulty, with a bias for each of the two lines (proportional odds)."""
    weights, seen, biases = [0.0] * SPACE, [_START] * SPACE, [0.0, 0.0]
    order = list(examples)
    chance = random.Random(_SEED)  # noqa: S311
    for _ in range(min(max(_SEEN_IN_ALL // len(examples), _FEWEST_ROUNDS), _MOST_ROUNDS)):
        chance.shuffle(order)
        for one in order:
            score = weighed(weights, one.features)
            error = _error(score, biases, one.lines)
            if error:
                step = error / math.sqrt(len(one.features))
                _move(weights, seen, one.features, step)
    return weights


def _error(score: float, biases: list[float], lines: Lines) -> float:
    """How far the two lines are off together; their biases are moved."""
    total = 0.0
    for line, evidence in enumerate(lines):
        if evidence is not None:
            error = 1 / (1 + math.exp(-max(score + biases[line], -500))) - evidence.target
            biases[line] -= _BIAS_RATE * error
            total += error
    return total


def _move(weights: list[float], seen: list[float], features: Sequence[int], step: float) -> None:
    square = step * step
    rate = _RATE * step
    root = math.sqrt
    for one in features:
        seen[one] = squares = seen[one] + square
        weights[one] -= rate / root(squares)


def _cut(line: int, curve: Curve | None, keep: float, examples: Sequence[Example]) -> float:
    enough, not_enough = _kinds(one.lines[line] for one in examples)
    # What nobody has said is not tried: the harder side without a bad answer, the cheaper one without a good one.
    if curve is None or not not_enough:
        return NEVER
    cut = curve.cut_for(keep)
    if cut is None:
        return NEVER
    return ALWAYS if not enough or cut == curve.points[-1][2] else cut


def _kinds(said: Iterable[Evidence | None]) -> tuple[int, int]:
    """How many say that the cheaper side is enough, and how many that it is not."""
    gains = [one.gain for one in said if one is not None]
    return sum(gain <= 0 for gain in gains), sum(gain > 0 for gain in gains)
