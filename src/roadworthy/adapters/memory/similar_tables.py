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


@dataclass(slots=True)
class SimilarTables:
    rows: dict[UUID, SimilarRow] = field(default_factory=dict[UUID, SimilarRow])
    by_place: dict[bytes, dict[UUID, SimilarRow]] = field(default_factory=dict[bytes, dict[UUID, SimilarRow]])
    """Those first that were not used for longest."""
    by_facts: dict[tuple[bytes, bytes], dict[UUID, SimilarRow]] = field(
        default_factory=dict[tuple[bytes, bytes], dict[UUID, SimilarRow]]
    )
    dropped: dict[str, float] = field(default_factory=dict[str, float])
    lessons: dict[bytes, list[int]] = field(default_factory=dict[bytes, list[int]])

    def add(self, row: SimilarRow) -> None:
        id, where = row.question.id, row.where
        self.rows[id] = row
        self.by_place.setdefault(where.place, {})[id] = row
        self.by_facts.setdefault((where.place, where.facts), {})[id] = row

    def use(self, row: SimilarRow) -> None:
        of_place = self.by_place[row.where.place]
        of_place[row.question.id] = of_place.pop(row.question.id)

    def forget(self, row: SimilarRow) -> None:
        id, where = row.question.id, row.where
        del self.rows[id], self.by_place[where.place][id], self.by_facts[where.place, where.facts][id]
