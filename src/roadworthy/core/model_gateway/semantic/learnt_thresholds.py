"""How much agreement a reply needs before it may be used again: learnt from replies that were compared, never assumed.

Requests are sorted by their score (`neighbourhood.py`) into places. Of each place it is known how many requests came,
how many of their kept replies were compared with a new one, and how many of those differed. The threshold is the lowest
place from which upwards wrong answers, as far as can be known, stay within the budget: a share of *all* requests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

PLACES: Final = 32
NEVER: Final = PLACES
_LOWEST, _HIGHEST = -4.0, 6.0
"""In log odds: a score of 0.018, and one of 0.9975."""
_DOUBTED: Final = 3.0
"""Wrong answers that are believed in before any was seen: with none in n requests, 3 in n is the 95 % bound."""


def place_of(score: float) -> int:
    """From 0 for no agreement at all to the highest."""
    odds = math.log(max(score, 1e-9) / max(1 - score, 1e-9))
    return max(0, min(PLACES - 1, int((odds - _LOWEST) * PLACES / (_HIGHEST - _LOWEST))))


@dataclass(slots=True)
class Lessons:
    """What one agent's requests have taught. Numbers only rise, so that several workers' can be added up."""

    requests: int = 0
    came: list[int] = field(default_factory=lambda: [0] * PLACES)
    compared: list[int] = field(default_factory=lambda: [0] * PLACES)
    differed: list[int] = field(default_factory=lambda: [0] * PLACES)

    @classmethod
    def of(cls, counts: Sequence[int]) -> Lessons:
        """From `counts()`; nothing learnt where they are of another shape."""
        if len(counts) != 1 + 3 * PLACES:
            return cls()
        came, compared, differed = (list(counts[1 + n * PLACES :][:PLACES]) for n in range(3))
        return cls(counts[0], came, compared, differed)

    def counts(self) -> list[int]:
        return [self.requests, *self.came, *self.compared, *self.differed]

    def add(self, other: Lessons) -> None:
        total = [one + more for one, more in zip(self.counts(), other.counts(), strict=True)]
        added = Lessons.of(total)
        self.requests, self.came = added.requests, added.came
        self.compared, self.differed = added.compared, added.differed

    def threshold(self, error_budget: float) -> int:
        """The lowest place that may answer; NEVER for none."""
        allowed = error_budget * self.requests
        wrong = doubt = 0.0
        lowest = NEVER
        for stretch in self._stretches():
            chance = (stretch.differed + 0.5) / (stretch.compared + 1)
            wrong += stretch.came * chance
            doubt += stretch.came**2 * chance * (1 - chance) / (stretch.compared + 1)
            if wrong + math.sqrt(doubt) + _DOUBTED > allowed:
                break
            lowest = stretch.lowest
        return lowest

    def _stretches(self) -> list[_Stretch]:
        """From the highest place down. Neighbours are taken together until fewer replies differ the higher it is
        (isotonic regression): places with few requests borrow from those around them."""
        stretches: list[_Stretch] = []
        for place in reversed(range(PLACES)):
            if not (self.came[place] or self.compared[place]):
                continue  # or the threshold could fall to where nothing is known
            last = _Stretch(place, self.came[place], self.compared[place], self.differed[place])
            while stretches and stretches[-1].differed * last.compared >= last.differed * stretches[-1].compared:
                above = stretches.pop()
                last = _Stretch(
                    last.lowest,
                    above.came + last.came,
                    above.compared + last.compared,
                    above.differed + last.differed,
                )
            stretches.append(last)
        return stretches


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Neighbouring places, from `lowest` up."""

    lowest: int
    came: int
    compared: int
    differed: int
