"""How well the routers put requests in order, and what a decision costs: RouteLLM's MMLU file, cross-validated."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.benchmark import Benchmark
from benchmarks.result import Result
from benchmarks.surroundings import Surroundings
from roadworthy import RouteRequest, RuleRouter
from roadworthy.core.model_gateway.routing.labelled_file import LabelledFile, read_labelled
from roadworthy.core.model_gateway.routing.report import BASIC_LINE
from roadworthy.core.model_gateway.routing.training import Example, curve_of_line, train

REPOSITORY = Path(__file__).parents[1]
MMLU = REPOSITORY.parent / "shared" / "data" / "routellm" / "mmlu_correctness.csv.gz"
"""14,042 questions, with whether Mixtral 8x7B and GPT-4 answered each one rightly."""

KEEP = 0.95
_LONGEST = "Why is this so? It was said before, and it is said again. " * 40
_ROUNDS = 7


async def run(around: Surroundings) -> Sequence[Result]:
    if not MMLU.exists():
        around.say(f"left out: the data set {MMLU} is not there")
        return []
    file = read_mmlu()
    examples = [Example.of(one.text, one.lines) for one in file.examples]
    rules = RuleRouter()
    curve = curve_of_line(BASIC_LINE, [rules.score(one.text) for one in file.examples], examples)
    began = time.process_time()
    trained = train(examples, KEEP)
    seconds = time.process_time() - began
    better = trained.curves[BASIC_LINE]
    assert curve is not None
    assert better is not None
    took = {
        name: _microseconds(route, file) for name, route in (("rules", rules.route), ("trained", trained.router.route))
    }
    for name, one in (("rules", curve), ("trained", better)):
        around.say(
            f"{name}: APGR {one.apgr:.3f}, {one.share_for(KEEP):.1%} strong calls for {KEEP:.0%} of the strong model's "
            f"accuracy, {took[name][0]:.0f} µs a decision, {took[name][1]:.0f} µs the longest"
        )
    return [
        Result.at_least("APGR of the rules", curve.apgr, "", 0.58, 0.5),
        Result.at_least("APGR of a trained router", better.apgr, "", 0.64, curve.apgr),
        Result("strong calls for 95 %, rules", curve.share_for(KEEP) * 100, "%"),
        Result("strong calls for 95 %, trained", better.share_for(KEEP) * 100, "%"),
        Result.at_most("a decision of the rules", took["rules"][0] / 1000, "ms", 1),
        Result.at_most("a decision of the rules, long text", took["rules"][1] / 1000, "ms", 1),
        Result.at_most("a decision of a trained router", took["trained"][0] / 1000, "ms", 0.5),
        Result.at_most("a decision of a trained router, long text", took["trained"][1] / 1000, "ms", 0.5),
        Result.at_most("training on 14,042 requests, of one processor", seconds, "s", 60),
    ]


def read_mmlu() -> LabelledFile:
    with gzip.open(MMLU, "rt", encoding="utf-8", newline="") as lines:
        return read_labelled(lines)


def _microseconds(route: Callable[[RouteRequest], object], file: LabelledFile) -> tuple[float, float]:
    """Of a decision: the mean over every tenth request, and about the longest text that is read whole."""
    usual = [RouteRequest(one.text, {}, "", "", "", "") for one in file.examples[::10]]
    longest = [RouteRequest(_LONGEST, {}, "", "", "", "")] * 50
    return _mean(route, usual), _mean(route, longest)


def _mean(route: Callable[[RouteRequest], object], requests: Sequence[RouteRequest]) -> float:
    rounds: list[float] = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for request in requests:
            route(request)
        rounds.append((time.process_time() - began) / len(requests) * 1e6)
    return median(rounds)


benchmark = Benchmark("routing", run)
