"""What a router's order of requests is worth: quality over the share of calls that go to the strong side.

PGR (performance gap recovered) is the part of the way from the weak side's quality to the strong one's; APGR is its
area over the share of strong calls from 0 to 1, as in RouteLLM (Ong et al. 2024, arXiv 2406.18665, section 3.3):
0.5 for chance, and more than 1 where the weak side is sometimes the better one and is chosen then. Here the area is
exact, over every share and not over ten of them; requests with equal scores come in no order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from roadworthy.core.model_gateway.routing.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Curve:
    """Of one router over requests of which it is known what the strong side gains."""

    weak: float
    """Quality with no strong call: a mean from 0 to 1."""
    strong: float
    """Quality with strong calls only."""
    points: tuple[tuple[float, float, float], ...]
    """`(share, quality, score)`: with the requests on the strong side that have this score or more."""

    @property
    def apgr(self) -> float:
        """0.5 where both sides are equally good: there is no gap to recover."""
        gap = self.strong - self.weak
        if gap == 0:
            return 0.5
        area, share, quality = 0.0, 0.0, self.weak
        for next_share, next_quality, _ in self.points:
            area += (next_share - share) * ((quality + next_quality) / 2 - self.weak)
            share, quality = next_share, next_quality
        return area / gap

    def quality_at(self, share: float) -> float:
        before, quality = 0.0, self.weak
        for next_share, next_quality, _ in self.points:
            if next_share >= share:
                part = (share - before) / (next_share - before)
                return quality + part * (next_quality - quality)
            before, quality = next_share, next_quality
        return self.strong

    def share_for(self, keep: float) -> float:
        """The least share of strong calls from which on the quality is `keep` (0 to 1) of the strong side's."""
        return next((share for share, quality, _ in self.points if self._keeps(quality, keep)), 1.0)

    def cut_for(self, keep: float) -> float | None:
        """The score that is the least on the strong side there; None if no strong call is needed."""
        if self._keeps(self.weak, keep):
            return None
        return next(score for share, quality, score in self.points if self._keeps(quality, keep) or share >= 1)

    def _keeps(self, quality: float, keep: float) -> bool:
        return quality >= keep * self.strong - 1e-12


def curve_of(scores: Sequence[float], evidence: Sequence[Evidence]) -> Curve:
    """There must be at least one."""
    count = len(scores)
    ranked = sorted(zip(scores, (one.gain for one in evidence), strict=True), key=lambda one: -one[0])
    strong = sum(one.worth for one in evidence) / count
    weak = strong - sum(one.gain for one in evidence) / count
    points: list[tuple[float, float, float]] = []
    calls, gained = 0, 0.0
    for score, same in groupby(ranked, key=lambda one: one[0]):
        gains = [gain for _, gain in same]
        calls += len(gains)
        gained += sum(gains)
        points.append((calls / count, weak + gained / count, score))
    return Curve(weak, strong, tuple(points))
