"""Streams labelled questions through a semantic cache, with a model that always knows the right answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.unit.semantic_cache.different_questions import DifferentQuestions
from tests.unit.semantic_cache.standing_in import wordings

from benchmarks.question_sets import LabelledQuestion
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.similar_replies import MemorySimilarReplies
from roadworthy.core.model_gateway.cache_place import CachePlace
from roadworthy.core.model_gateway.embeddings import Embeddings
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.core.model_gateway.semantic_cache import SemanticCache
from roadworthy.testing.manual_clock import ManualClock

ERROR_BUDGET = 0.01
LEARNT_AFTER = 450
"""Requests after which so small a budget lets a reply be used again, if none differed."""


@dataclass(frozen=True, slots=True)
class Streamed:
    requests: int
    hits: int
    wrong: int
    seconds: float

    @property
    def hit_rate(self) -> float:
        return self.hits / self.requests

    @property
    def error_rate(self) -> float:
        """Of all requests."""
        return self.wrong / self.requests


class KnownVectors:
    """An `Embedder` of texts that were embedded before."""

    def __init__(self, name: str, vectors: Mapping[str, Sequence[float]]) -> None:
        self.name = name
        self.most = 1
        self._vectors = vectors

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [list(self._vectors[text]) for text in texts]


def place(error_budget: float = ERROR_BUDGET) -> CachePlace:
    return CachePlace(b"questions", ("all", "agent:questions"), seconds=86_400, error_budget=error_budget)


async def same_intent(one: ModelReply, other: ModelReply) -> bool:
    return one.text == other.text


async def answered_pairs(pairs: Sequence[DifferentQuestions], vectors: Mapping[str, Sequence[float]]) -> int:
    """How many second questions get the reply of the first from a cache that has only seen that near means the same."""
    easy = wordings(LEARNT_AFTER + 1)
    cache = _cache({**vectors, **dict.fromkeys(easy, vectors[pairs[0].one])}, draw=lambda: 1.0)
    for wording in easy[:-1]:
        if await cache.look(place(), wording) is None:
            await cache.keep(place(), wording, ModelReply(b"", "model", "so"))
    if await cache.look(place(), easy[-1]) is None:
        raise AssertionError("the cache has not learnt to answer at all")
    answered = 0
    for number, pair in enumerate(pairs):
        here = replace(place(), hard_key=b"%d" % number)
        if await cache.look(here, pair.one) is None:
            await cache.keep(here, pair.one, ModelReply(b"", "model", "the first"))
        answered += await cache.look(here, pair.other) is not None
    return answered


async def stream(
    questions: Sequence[LabelledQuestion],
    vectors: Mapping[str, Sequence[float]],
    seed: int = 0,
) -> Streamed:
    """One question after the other; the same seed gives the same figures."""
    cache = _cache(vectors, random.Random(seed).random)
    here, hits, wrong, began = place(), 0, 0, time.perf_counter()
    for question in questions:
        found = await cache.look(here, question.text)
        if found is None:
            await cache.keep(here, question.text, ModelReply(b"", "model", question.intent))
        else:
            hits += 1
            wrong += found.reply.text != question.intent
    await cache.close()
    return Streamed(len(questions), hits, wrong, time.perf_counter() - began)


def _cache(vectors: Mapping[str, Sequence[float]], draw: Callable[[], float]) -> SemanticCache:
    clock = ManualClock()
    return SemanticCache(
        MemorySimilarReplies(MemoryDatabase(clock)),
        Embeddings(KnownVectors("known", vectors)),
        same_intent,
        draw=draw,
        clock=clock.monotonic,
    )
