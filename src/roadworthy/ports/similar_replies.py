"""Replies that may answer questions like the one that led to them, and what comparing them has taught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Only questions whose place and facts are equal are compared at all."""

    place: bytes
    """Of everything but the question."""
    facts: bytes
    """Of what the question says exactly: identifiers, numbers and the like."""
    marks: tuple[str, ...] = ()
    """The place's: replies are gone once one of them was dropped."""


@dataclass(frozen=True, slots=True)
class KeptQuestion:
    id: UUID
    question: str
    vector: bytes
    """Floats of four bytes each."""
    answer: UUID
    """Questions with the same one were answered alike."""
    confirmed: int = 0
    """How often its reply was compared with a new one when it would have been used, and was the same."""


@dataclass(frozen=True, slots=True)
class Nearby:
    kept: Sequence[KeptQuestion]
    as_of: float
    """When they were looked up, by the store's clock: what is kept in consequence says so."""


@dataclass(frozen=True, slots=True)
class NewSimilarReply:
    question: KeptQuestion
    sketch: bytes
    reply: bytes
    seconds: float
    """How long it is kept."""
    as_of: float
    """Of the look that did not find it."""


class SimilarReplies(Protocol):
    """Methods raise StoreUnavailable."""

    async def nearest(self, where: Whereabouts, sketch: bytes, most: int) -> Nearby:
        """Those whose sketches differ in the fewest bits from this one, nearest first."""
        ...

    async def replies(self, ids: Sequence[UUID]) -> dict[UUID, bytes]:
        """Of kept questions, as far as they are still there."""
        ...

    async def keep(self, where: Whereabouts, new: NewSimilarReply, most: int) -> None:
        """Keep a reply. Of a place with more than `most`, those leave that were not used for longest.

        Nothing is kept if one of its marks was dropped since `as_of`. Keeping it again changes nothing.
        """
        ...

    async def used(self, id: UUID, confirmed: bool = False) -> None:
        """It was, or (`confirmed`) could rightly have been, the answer to another question."""
        ...

    async def drop(self, mark: str) -> None:
        """Forget all that was kept under the mark, or that is kept as of before."""
        ...

    async def forget_late(self, most: int) -> int:
        """Delete up to `most` replies that are past their time; answers how many. Nobody is given them anyway."""
        ...

    async def learn(self, family: bytes, counts: Sequence[int], most: int) -> list[int]:
        """Add the counts to the family's, and answer the sums: empty where nothing was ever learnt.

        Once the first of them is above `most`, all are halved: what is new counts for more than what is old. Counts of
        another length begin anew; no counts only ask.
        """
        ...
