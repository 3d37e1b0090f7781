"""Replies to questions that mean the same, under a budget of errors.

A kept reply may answer a question if everything that surrounds the two is equal (its place), if they say the same
exactly (`semantic/similarity_guards.py`), and if what is kept around the question agrees on the answer so far as was
learnt to be enough (`semantic/learnt_thresholds.py`). One that was asked before in the same words needs no lessons:
its own reply answers it. It is learnt from replies that were made anew although one was
kept: those of questions that were not near enough, and of every tenth that was (a *shadow call*).
"""

from __future__ import annotations

import asyncio
import random
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from roadworthy.core.model_gateway.cache_place import CachePlace, digest_of
from roadworthy.core.model_gateway.embeddings import Embeddings
from roadworthy.core.model_gateway.exact_cache import MOST_VALUE_BYTES, decoded, encoded
from roadworthy.core.model_gateway.found_reply import Found
from roadworthy.core.model_gateway.later import Later
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.core.model_gateway.semantic.learnt_thresholds import place_of
from roadworthy.core.model_gateway.semantic.lessons_of_family import FamilyLessons
from roadworthy.core.model_gateway.semantic.neighbourhood import (
    MOST_NEIGHBOURS,
    Candidate,
    Neighbour,
    candidate,
    neighbours,
    repeated,
)
from roadworthy.core.model_gateway.semantic.question_reading import QuestionReading, read_question
from roadworthy.core.model_gateway.semantic.same_answer import AnswersAlike, SameAnswer
from roadworthy.core.model_gateway.semantic.sketch import sketch_of
from roadworthy.core.outage import Outage
from roadworthy.domain.errors import StoreUnavailable
from roadworthy.domain.ids import new_id
from roadworthy.ports.similar_replies import KeptQuestion, NewSimilarReply, SimilarReplies, Whereabouts

SHADOW_SHARE: Final = 0.1
"""Of the questions that a kept reply could answer, those that the model answers all the same, so that the two replies
can be compared."""
MOST_KEPT: Final = 3000
"""Questions of one place."""
_MOST_LOOKS: Final = 2000
"""Questions that wait for their reply at a time."""
_MOST_FAMILIES: Final = 1000
_OTHER_ANSWERS: Final = 5
"""Near answers, but for the candidate's, that a new reply is compared with."""
_FORMAT: Final = b"2"
"""Of what is kept and learnt: with another one, another release begins anew."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What was seen when nothing was found, for the reply that comes then."""

    where: Whereabouts
    vector: Sequence[float]
    near: Sequence[Neighbour]
    candidate: Candidate | None
    score_place: int
    was_near_enough: bool
    is_repeat: bool
    """Asked before in the same words."""
    as_of: float


class SemanticCache:
    """One a worker and embedder."""

    def __init__(
        self,
        store: SimilarReplies,
        embeddings: Embeddings,
        same_answer: SameAnswer | None = None,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`draw` gives numbers from 0 to 1, which decide on shadow calls."""
        self._store = store
        self._embeddings = embeddings
        self._same_answer = same_answer or AnswersAlike(embeddings)
        self._draw = draw
        self._clock = clock
        self._looks: OrderedDict[bytes, _Look] = OrderedDict()
        self._families: OrderedDict[bytes, FamilyLessons] = OrderedDict()
        self._later = Later()
        self._not_told = Outage("similarity_lessons_not_told", "similarity_lessons_told_again")

    async def look(self, place: CachePlace, question: str) -> Found | None:
        """The reply to a question that means the same, or None. Raises EmbeddingFailed and StoreUnavailable."""
        if place.attempt_has_written or (reading := read_question(question)) is None:
            return None
        lessons = self._lessons(place)
        vector, _ = await asyncio.gather(self._embeddings.embed(question), lessons.load())
        look = await self._look_around(place, question, reading, vector, lessons)
        chosen = look.candidate
        # What needs no lessons gives none: a score of others would seem more certain than it is.
        lessons.came(None if chosen is None or look.is_repeat else look.score_place)
        self._tell_in_time(lessons)
        may_answer = look.is_repeat or (look.was_near_enough and self._draw() >= SHADOW_SHARE)
        found = await self._found(chosen) if chosen is not None and may_answer else None
        if found is None:
            self._remember(place, question, look)
        return found

    async def keep(self, place: CachePlace, question: str, reply: ModelReply) -> None:
        """Learn from the reply that a look did not find, and keep it. Raises EmbeddingFailed and StoreUnavailable."""
        look = self._looks.pop(place.key_of(question), None)
        if look is None or place.attempt_has_written or not (reply.text or reply.tool_calls):
            return
        lessons, chosen = self._lessons(place), look.candidate
        answer = await self._answer_like(reply, look)
        if chosen is not None and not look.is_repeat:
            same = answer == chosen.neighbour.kept.answer
            lessons.compared(look.score_place, same)
            if same and look.was_near_enough:
                await self._store.used(chosen.neighbour.kept.id, confirmed=True)
        self._tell_in_time(lessons)
        id = new_id()
        value = encoded(id.bytes, reply)
        if len(value) <= MOST_VALUE_BYTES:
            kept = KeptQuestion(id, question, array("f", look.vector).tobytes(), answer or new_id())
            new = NewSimilarReply(kept, sketch_of(look.vector), value, place.seconds, look.as_of)
            await self._store.keep(look.where, new, MOST_KEPT)

    async def close(self) -> None:
        """Tell the store what it does not know yet."""
        for lessons in self._families.values():
            self._later.add(lambda lessons=lessons: self._tell(lessons))
        await self._later.close()

    async def _look_around(
        self,
        place: CachePlace,
        question: str,
        reading: QuestionReading,
        vector: Sequence[float],
        lessons: FamilyLessons,
    ) -> _Look:
        where = self._whereabouts(place, reading, len(vector))
        nearby = await self._store.nearest(where, sketch_of(vector), MOST_NEIGHBOURS)
        near = neighbours(vector, nearby.kept)
        repeat = repeated(question, near)
        chosen = repeat or candidate(reading, near)
        score_place = 0 if chosen is None else place_of(chosen.score)
        near_enough = chosen is not None and score_place >= lessons.threshold(place.error_budget)
        return _Look(where, vector, near, chosen, score_place, near_enough, repeat is not None, nearby.as_of)

    async def _found(self, chosen: Candidate) -> Found | None:
        kept = chosen.neighbour.kept
        value = (await self._store.replies([kept.id])).get(kept.id)
        found = None if value is None else decoded(kept.id.bytes, value)
        if found is None:
            return None
        self._later.add(lambda: self._used(kept.id))
        similar = {
            "entry": str(kept.id),
            "question": kept.question,
            "similarity": round(chosen.neighbour.similarity, 4),
            "agreement": round(chosen.score, 4),
        }
        return replace(found, cache="semantic", detail={"similar": similar})

    async def _answer_like(self, reply: ModelReply, look: _Look) -> UUID | None:
        """The answer, of those near, that the reply is the same as: first the candidate's, then the nearest others."""
        likely = [] if look.candidate is None else [look.candidate.neighbour.kept]
        for neighbour in look.near:
            if len(likely) > _OTHER_ANSWERS:
                break
            if neighbour.kept.answer not in {kept.answer for kept in likely}:
                likely.append(neighbour.kept)
        if not likely:
            return None
        values = await self._store.replies([kept.id for kept in likely])
        for kept in likely:
            found = decoded(kept.id.bytes, values[kept.id]) if kept.id in values else None
            if found is not None and await self._same_answer(found.reply, reply):
                return kept.answer
        return None

    def _whereabouts(self, place: CachePlace, reading: QuestionReading, size: int) -> Whereabouts:
        name = self._embeddings.name.encode()
        key = digest_of(b"semantic", _FORMAT, place.hard_key, name, size.to_bytes(4))
        facts = digest_of(*(fact.encode(errors="surrogatepass") for fact in reading.facts))
        return Whereabouts(key, facts, place.marks)

    def _lessons(self, place: CachePlace) -> FamilyLessons:
        family = digest_of(
            b"lessons", _FORMAT, self._embeddings.name.encode(), *(mark.encode() for mark in place.marks)
        )
        if (lessons := self._families.get(family)) is None:
            lessons = self._families[family] = FamilyLessons(self._store, family, self._clock)
            if len(self._families) > _MOST_FAMILIES:
                _, oldest = self._families.popitem(last=False)
                self._later.add(lambda: self._tell(oldest))
        else:
            self._families.move_to_end(family)
        return lessons

    def _remember(self, place: CachePlace, question: str, look: _Look) -> None:
        self._looks[place.key_of(question)] = look
        if len(self._looks) > _MOST_LOOKS:
            self._looks.popitem(last=False)

    def _tell_in_time(self, lessons: FamilyLessons) -> None:
        if lessons.is_due:
            self._later.add(lambda: self._tell(lessons))

    async def _tell(self, lessons: FamilyLessons) -> None:
        try:
            await lessons.tell()
        except StoreUnavailable as error:
            self._not_told.goes_on(error.message)
        else:
            self._not_told.is_over()

    async def _used(self, id: UUID) -> None:
        try:
            await self._store.used(id)
        except StoreUnavailable as error:
            self._not_told.goes_on(error.message)
        else:
            self._not_told.is_over()
