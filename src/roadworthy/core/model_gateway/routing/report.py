"""Cost against quality: what routers are worth on requests of which it is known how hard they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from roadworthy.core.model_gateway.routing.curve import Curve
from roadworthy.core.model_gateway.routing.labelled_file import Labelled, LabelledFile
from roadworthy.core.model_gateway.routing.rules import RuleRouter
from roadworthy.core.model_gateway.routing.trained import TrainedRouter
from roadworthy.core.model_gateway.routing.training import Example, curve_of_line, train
from roadworthy.domain.errors import ExamplesUnusable
from roadworthy.domain.money import MicroDollars
from roadworthy.domain.route import TIERS, RouteRequest, Tier

Cost = Callable[[Tier, str], MicroDollars]
"""Of one request answered by a tier."""

BASIC_LINE = 0
"""The one that is drawn: `simple` against the rest."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What one way to choose tiers comes to on the file."""

    name: str
    shares: Mapping[Tier, float]
    quality: float
    """From 0 to 1: a mean of the answers' quality, or the share of requests whose tier is enough."""
    cost_per_1000: MicroDollars | None
    """None where nobody said whose prices hold."""
    curve: Curve | None = None
    """By its scores; None for one that gives none."""


@dataclass(frozen=True, slots=True)
class Report:
    examples: int
    compares_models: bool
    keep: float
    weak: float
    strong: float
    fixed: Sequence[Judged]
    """One tier for everything."""
    routers: Sequence[Judged]
    not_trained: str | None
    """Why none was, where the examples are too few."""


def report(file: LabelledFile, keep: float, cost: Cost | None, router: TrainedRouter | None = None) -> Report:
    """`router` is judged too; that it may have learnt from this very file nobody can tell. ExamplesUnusable if it is
    empty."""
    if not file.examples:
        raise ExamplesUnusable("it has no requests")
    examples = [Example.of(one.text, one.lines) for one in file.examples]
    judge = _Judge(file, examples, cost)
    rules = RuleRouter()
    routers = [judge.router("rules", rules.route, [rules.score(one.text) for one in file.examples])]
    not_trained = None
    try:
        routers.append(judge.cross_validated(keep))
    except ExamplesUnusable as error:
        not_trained = error.message
    if router is not None:
        scores = [router.score(one.text) for one in file.examples]
        routers.append(judge.router("the given one", router.route, scores))
    drawn = routers[0].curve
    if drawn is None:
        raise ExamplesUnusable("nothing in it says whether `simple` is enough")
    fixed = [judge.fixed(tier) for tier in TIERS if not (file.compares_models and tier == "moderate")]
    return Report(len(examples), file.compares_models, keep, drawn.weak, drawn.strong, fixed, routers, not_trained)


class _Judge:
    def __init__(self, file: LabelledFile, examples: Sequence[Example], cost: Cost | None) -> None:
        self._file = file
        self._examples = examples
        self._cost = cost

    def fixed(self, tier: Tier) -> Judged:
        always: list[Tier] = [tier] * len(self._examples)
        return self._judged(f"always {tier}", always)

    def router(self, name: str, route: Callable[[RouteRequest], Tier], scores: Sequence[float]) -> Judged:
        tiers: list[Tier] = [route(RouteRequest(one.text, {}, "", "", "", "")) for one in self._file.examples]
        return self._judged(name, tiers, curve_of_line(BASIC_LINE, scores, self._examples))

    def cross_validated(self, keep: float) -> Judged:
        trained = train(self._examples, keep)
        tiers: list[Tier] = [trained.router.tier_of(score) for score in trained.scores]
        return self._judged("trained", tiers, trained.curves[BASIC_LINE])

    def _judged(self, name: str, tiers: Sequence[Tier], curve: Curve | None = None) -> Judged:
        count = len(tiers)
        quality = sum(self._quality(tier, one) for tier, one in zip(tiers, self._file.examples, strict=True)) / count
        counted = Counter(tiers)
        shares: dict[Tier, float] = {tier: counted[tier] / count for tier in TIERS}
        return Judged(name, shares, quality, self._cost_of(tiers), curve)

    def _quality(self, tier: Tier, one: Labelled) -> float:
        basic, upper = one.lines
        if basic is None or upper is None:
            return 0.0
        if tier == "simple":
            return basic.worth - basic.gain
        # Where two models were compared the strong one stands for all that is not simple.
        return upper.worth - upper.gain if tier == "moderate" and not self._file.compares_models else upper.worth

    def _cost_of(self, tiers: Sequence[Tier]) -> MicroDollars | None:
        if self._cost is None:
            return None
        total = sum(self._cost(tier, one.text) for tier, one in zip(tiers, self._file.examples, strict=True))
        return total * 1000 // len(tiers)
