"""What a benchmark is, and how systems take turns in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from benchmarks.result import Result
from benchmarks.surroundings import Surroundings

FULL_REPETITIONS = 3
Figures = Mapping[str, float]
Case = TypeVar("Case")


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`name` is what `--only` takes; `run` raises when something does not run, not when it is slow."""

    name: str
    run: Callable[[Surroundings], Awaitable[Sequence[Result]]]


async def in_turns(
    around: Surroundings, cases: Sequence[Case], measure: Callable[[Case], Awaitable[Figures]]
) -> dict[Case, Figures]:
    """The medians of each case's figures, the cases taking turns: a slow minute of the machine hits all of them."""
    measured: dict[Case, dict[str, list[float]]] = {case: defaultdict(list) for case in cases}
    for _ in range(FULL_REPETITIONS if around.full else 1):
        for case in cases:
            for name, value in (await measure(case)).items():
                measured[case][name].append(value)
    return {case: {name: median(values) for name, values in figures.items()} for case, figures in measured.items()}
