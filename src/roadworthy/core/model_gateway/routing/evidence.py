"""What is known of how hard a request was: labels, grades of answers, or two models' answers compared.

There are two lines to learn: between `simple` and the rest, and between `complex` and the rest. What is known of a
request is said of each line: would the harder side have answered it better?
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roadworthy.domain.grade import GradedSession, Mark
from roadworthy.domain.route import TIERS, Tier


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one request about one line."""

    target: float
    """What a classifier shall come to: 0 the cheaper side is enough, 1 it is not; between them if it can't be said."""
    gain: float
    """Quality that the harder side adds: from -1 to 1."""
    worth: float = 1.0
    """Quality on the harder side: from 0 to 1."""


Lines = tuple[Evidence | None, Evidence | None]
"""About `simple` against the rest, and `complex` against the rest; None where nothing is known."""

NOTHING: Lines = (None, None)
ENOUGH, NOT_ENOUGH = Evidence(0.0, 0.0), Evidence(1.0, 1.0)


def of_label(tier: Tier) -> Lines:
    """`tier` is the cheapest one that is enough."""
    needed = TIERS.index(tier)
    return (NOT_ENOUGH if needed > 0 else ENOUGH, NOT_ENOUGH if needed > 1 else ENOUGH)


def of_pair(strong: float, weak: float) -> Lines:
    """How good a strong model's answer was and how good a weak one's, from 0 to 1: `complex` against `simple`.

    The target is the expected gain and not the weak model's failure: where both fail, the strong one is wasted.
    """
    gain = strong - weak
    one = Evidence((gain + 1) / 2, gain, strong)
    return (one, one)


def of_grade(mark: Mark, tier: Tier) -> Lines:
    """An answer of `tier` was good, so any harder tier is enough too; or bad, and so would a cheaper one's have been.

    A bad answer of the hardest tier says nothing: no other would have been better.
    """
    used = TIERS.index(tier)
    if mark == "good":
        return (ENOUGH if used == 0 else None, ENOUGH if used <= 1 else None)
    return (NOT_ENOUGH, NOT_ENOUGH if used == 1 else None) if used < 2 else NOTHING


def of_session(session: GradedSession) -> Lines:
    """An operator's newest label decides; else what all grades say together, where one bad answer outweighs good ones.

    All of a session counts, because all of it is answered by the tier that its first message was given.
    """
    labels = [grade for task in session.tasks for grade in task.grades if grade.enough]
    newest = max(labels, key=lambda grade: grade.at, default=None)
    if newest is not None and newest.enough is not None:
        return of_label(newest.enough)
    said = [
        of_grade(grade.mark, task.tier)
        for task in session.tasks
        for grade in task.grades
        if grade.mark is not None and task.tier is not None
    ]
    return (_worst(lines[0] for lines in said), _worst(lines[1] for lines in said))


def _worst(said: Iterable[Evidence | None]) -> Evidence | None:
    return max((one for one in said if one is not None), key=lambda one: one.target, default=None)
