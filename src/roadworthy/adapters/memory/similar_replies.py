"""Replies to similar questions, in memory."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.similar_tables import SimilarRow
from roadworthy.ports.similar_replies import Nearby, NewSimilarReply, Whereabouts


class MemorySimilarReplies:
    """A `SimilarReplies` over a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._tables = database.similar

    async def nearest(self, where: Whereabouts, sketch: bytes, most: int) -> Nearby:
        return await self._database.run("similar_replies.nearest", lambda: self._nearest(where, sketch, most))

    async def replies(self, ids: Sequence[UUID]) -> dict[UUID, bytes]:
        rows = self._tables.rows
        return await self._database.run(
            "similar_replies.replies", lambda: {id: rows[id].reply for id in ids if id in rows}
        )

    async def keep(self, where: Whereabouts, new: NewSimilarReply, most: int) -> None:
        await self._database.run("similar_replies.keep", lambda: self._keep(where, new, most))

    async def used(self, id: UUID, confirmed: bool = False) -> None:
        def use() -> None:
            if (row := self._tables.rows.get(id)) is not None:
                self._tables.use(row)
                row.question = replace(row.question, confirmed=row.question.confirmed + confirmed)

        await self._database.run("similar_replies.used", use)

    async def drop(self, mark: str) -> None:
        def drop() -> None:
            self._tables.dropped[mark] = self._database.now()

        await self._database.run("similar_replies.drop", drop)

    async def forget_late(self, most: int) -> int:
        def forget() -> int:
            now = self._database.now()
            late = [row for row in self._tables.rows.values() if row.expires_at <= now][:most]
            for row in late:
                self._tables.forget(row)
            return len(late)

        return await self._database.run("similar_replies.forget_late", forget)

    async def learn(self, family: bytes, counts: Sequence[int], most: int) -> list[int]:
        return await self._database.run("similar_replies.learn", lambda: self._learn(family, counts, most))

    def _nearest(self, where: Whereabouts, sketch: bytes, most: int) -> Nearby:
        now, number, dropped = self._database.now(), int.from_bytes(sketch), self._dropped(where)
        rows = (
            row
            for row in self._tables.by_facts.get((where.place, where.facts), {}).values()
            if row.expires_at > now and row.as_of > dropped
        )
        nearest = heapq.nsmallest(most, rows, key=lambda row: (row.sketch ^ number).bit_count())
        return Nearby([row.question for row in nearest], now)

    def _keep(self, where: Whereabouts, new: NewSimilarReply, most: int) -> None:
        tables, now = self._tables, self._database.now()
        if new.question.id in tables.rows or new.as_of <= self._dropped(where):
            return
        row = SimilarRow(where, new.question, int.from_bytes(new.sketch), new.reply, new.as_of, now + new.seconds)
        tables.add(row)
        of_place = tables.by_place[where.place]
        while len(of_place) > most:
            tables.forget(next(iter(of_place.values())))

    def _dropped(self, where: Whereabouts) -> float:
        return max((self._tables.dropped.get(mark, float("-inf")) for mark in where.marks), default=float("-inf"))

    def _learn(self, family: bytes, counts: Sequence[int], most: int) -> list[int]:
        known = self._tables.lessons.get(family, [])
        if not counts:
            return list(known)
        if len(known) == len(counts):
            sums = [one + more for one, more in zip(known, counts, strict=True)]
        else:
            sums = list(counts)
        if sums[0] > most:
            sums = [each // 2 for each in sums]
        self._tables.lessons[family] = sums
        return list(sums)
