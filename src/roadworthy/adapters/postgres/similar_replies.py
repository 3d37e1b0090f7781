"""Replies to similar questions, in PostgreSQL. Needs no extension: sketches of vectors are compared bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from roadworthy.adapters.postgres.failures import translated
from roadworthy.adapters.postgres.pool import Pool
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.ports.similar_replies import KeptQuestion, Nearby, NewSimilarReply, Whereabouts


class PostgresSimilarReplies:
    """A `SimilarReplies`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("similar_replies")

    @translated
    async def nearest(self, where: Whereabouts, sketch: bytes, most: int) -> Nearby:
        bits, marks = asyncpg.BitString.frombytes(sketch), list(where.marks)
        rows = await self._pool.fetch(self._queries["nearest"], where.place, where.facts, bits, marks, most)
        kept = [KeptQuestion(*row[1:6]) for row in rows if row[1] is not None]
        return Nearby(kept, rows[0][0].timestamp())

    @translated
    async def replies(self, ids: Sequence[UUID]) -> dict[UUID, bytes]:
        return {row[0]: row[1] for row in await self._pool.fetch(self._queries["replies"], list(ids))}

    @translated
    async def keep(self, where: Whereabouts, new: NewSimilarReply, most: int) -> None:
        question = new.question
        await self._pool.fetch(
            self._queries["keep"],
            question.id,
            where.place,
            where.facts,
            asyncpg.BitString.frombytes(new.sketch),
            datetime.fromtimestamp(new.as_of, UTC),
            new.seconds,
            list(where.marks),
            question.question,
            question.vector,
            question.answer,
            new.reply,
            most - 1,
        )

    @translated
    async def used(self, id: UUID, confirmed: bool = False) -> None:
        await self._pool.fetch(self._queries["used"], id, confirmed)

    @translated
    async def drop(self, mark: str) -> None:
        await self._pool.fetch(self._queries["drop"], mark)

    @translated
    async def forget_late(self, most: int) -> int:
        return len(await self._pool.fetch(self._queries["forget_late"], most))

    @translated
    async def learn(self, family: bytes, counts: Sequence[int], most: int) -> list[int]:
        if counts:
            rows = await self._pool.fetch(self._queries["learn"], family, list(counts), most)
        else:
            rows = await self._pool.fetch(self._queries["lessons"], family)
        return list(rows[0][0]) if rows else []
