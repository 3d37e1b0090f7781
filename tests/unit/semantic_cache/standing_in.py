"""What stands around a semantic cache in these tests: a store in memory, and an embedder that is told what is near."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.faults import PlannedFaults
from roadworthy.adapters.memory.similar_replies import MemorySimilarReplies
from roadworthy.core.model_gateway.cache_place import CachePlace
from roadworthy.core.model_gateway.embeddings import Embeddings
from roadworthy.core.model_gateway.found_reply import Found
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.core.model_gateway.semantic_cache import SemanticCache
from roadworthy.domain.cache_mark import marks_of
from roadworthy.testing.manual_clock import ManualClock

PLACE = CachePlace(b"here", marks_of("support", "1", "acme"), seconds=3600, error_budget=0.01)
WARM = replace(PLACE, hard_key=b"where it was learnt")
ENOUGH = 450
"""Requests after which an error budget of 1 % lets replies be used again, if none differed: 3 and some in n."""


def wordings(count: int, seed: int = 0) -> list[str]:
    """Of one question: from a repeated one nothing is learnt."""
    draw = random.Random(seed)
    return [f"How do I reset the {_word(draw)} {_word(draw)} {_word(draw)}?" for _ in range(count)]


def _word(draw: random.Random) -> str:
    return "".join(draw.choice("bdklmnprst") + draw.choice("aeiou") for _ in range(4))


class Directions:
    """An embedder: texts point where they were told to, all others straight ahead. Keeps what it was asked."""

    most = 100

    def __init__(self, degrees: dict[str, float] | None = None, name: str = "directions") -> None:
        self.name = name
        self.degrees = degrees or {}
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked += texts
        return [_direction(math.radians(self.degrees.get(text, 0))) for text in texts]


def _direction(angle: float) -> list[float]:
    """Of length 1; the cosine of two is that of the angle between them. Sketches need many numbers."""
    size = 128
    return [math.cos(angle - 2 * math.pi * turn / size) / math.sqrt(size / 2) for turn in range(size)]


class Surroundings:
    """One store; every cache made over it is a worker's."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.faults = PlannedFaults(self.clock)
        self.database = MemoryDatabase(self.clock, self.faults)
        self.store = MemorySimilarReplies(self.database)
        self.embedder = Directions()

    def worker(self, draw: Callable[[], float] = lambda: 1.0, embedder: Directions | None = None) -> SemanticCache:
        """By default it makes no shadow calls."""
        return SemanticCache(
            self.store,
            Embeddings(embedder or self.embedder),
            same_text,
            draw=draw,
            clock=self.clock.monotonic,
        )

    async def learnt(self, cache: SemanticCache | None = None) -> SemanticCache:
        """A worker that has seen that replies to near questions are the same."""
        worker = cache or self.worker()
        for wording in wordings(ENOUGH):
            await asked(worker, wording, "So.", WARM)
        # Told to the store, so that other workers know it, too.
        await worker.close()
        return worker


async def same_text(one: ModelReply, other: ModelReply) -> bool:
    return one.text == other.text


def reply(text: str) -> ModelReply:
    return ModelReply(text.encode(), "model", text)


async def asked(cache: SemanticCache, question: str, answer: str, place: CachePlace = PLACE) -> Found | None:
    """What was found; where that is nothing, the model said `answer`."""
    found = await cache.look(place, question)
    if found is None:
        await cache.keep(place, question, reply(answer))
    return found
