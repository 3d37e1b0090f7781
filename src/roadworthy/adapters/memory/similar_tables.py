"""Rows of kept questions with their replies, and what comparing them has taught."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from roadworthy.ports.similar_replies import KeptQuestion, Whereabouts


@dataclass(slots=True)
class SimilarRow:
    where: Whereabouts
    question: KeptQuestion
    sketch: int
    reply: bytes
    as_of: float
    expires_at: float
    used: int
    """Rises with each use of any row: the lowest is the one that was not used for longest."""


@dataclass(slots=True)
class SimilarTables:
    rows: dict[UUID, SimilarRow] = field(default_factory=dict[UUID, SimilarRow])
    by_place: dict[bytes, dict[UUID, SimilarRow]] = field(default_factory=dict[bytes, dict[UUID, SimilarRow]])
    dropped: dict[str, float] = field(default_factory=dict[str, float])
    lessons: dict[bytes, list[int]] = field(default_factory=dict[bytes, list[int]])
    uses: int = 0

    def next_use(self) -> int:
        self.uses += 1
        return self.uses

    def forget(self, row: SimilarRow) -> None:
        self.rows.pop(row.question.id, None)
        self.by_place[row.where.place].pop(row.question.id, None)
