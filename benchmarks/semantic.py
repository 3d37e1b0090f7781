"""How often a semantic cache answers questions that people asked, and how often wrongly."""

from __future__ import annotations

import asyncio
import random
import time
from array import array
from collections.abc import Mapping, Sequence
from statistics import median
from uuid import uuid4

from tests.unit.semantic_cache.different_questions import different_questions

from benchmarks.benchmark import Benchmark
from benchmarks.question_sets import BANKING77, CLINC150, LabelledQuestion, banking77, clinc150
from benchmarks.question_stream import ERROR_BUDGET, answered_pairs, stream
from benchmarks.question_vectors import vectors_of
from benchmarks.result import Result
from benchmarks.surroundings import Surroundings
from roadworthy.adapters.postgres import PostgresSimilarReplies, migrate, open_pool
from roadworthy.core.model_gateway.semantic.neighbourhood import MOST_NEIGHBOURS, candidate, neighbours
from roadworthy.core.model_gateway.semantic.question_reading import read_question
from roadworthy.core.model_gateway.semantic.sketch import sketch_of
from roadworthy.core.model_gateway.semantic_cache import MOST_KEPT
from roadworthy.ports.similar_replies import KeptQuestion, NewSimilarReply, Whereabouts

LEAST_HIT_RATE = 0.25
SHORT = 4000
"""Questions of banking77 in the short form: embedding all of them takes most of a minute."""
SEEDS = range(3)
PAIRS, PAIRS_SEED = 1000, 20_251_123
LOOKS = 200


async def run(around: Surroundings) -> Sequence[Result]:
    results = await _pairs(around)
    if BANKING77.exists():
        results += await _banking77(around)
    else:
        around.say(f"no questions to stream: {BANKING77} is not there")
    if around.full and CLINC150.exists():
        results += await _clinc150(around)
    return [*results, *await _look(around)]


async def _pairs(around: Surroundings) -> list[Result]:
    pairs = list(different_questions(PAIRS, PAIRS_SEED))
    vectors = await vectors_of([text for pair in pairs for text in (pair.one, pair.other)], around.say)
    answered = await answered_pairs(pairs, vectors)
    return [Result.at_most(f"semantic: {PAIRS} pairs that differ, answered alike", answered, "pairs", 0)]


async def _banking77(around: Surroundings) -> list[Result]:
    questions = banking77() if around.full else banking77()[:SHORT]
    vectors = await vectors_of([question.text for question in questions], around.say)
    around.say(f"streaming {len(questions):,} questions of banking77")
    in_order = await stream(questions, vectors)
    results = [
        Result.at_least("semantic: banking77, answered", 100 * in_order.hit_rate, "%", 100 * LEAST_HIT_RATE),
        Result.at_most("semantic: banking77, wrong of all", 100 * in_order.error_rate, "%", 100 * ERROR_BUDGET),
    ]
    return [*results, *(await _shuffled("banking77", questions, vectors) if around.full else ())]


async def _clinc150(around: Surroundings) -> list[Result]:
    questions = clinc150()
    vectors = await vectors_of([question.text for question in questions], around.say)
    return await _shuffled("clinc150", questions, vectors)


async def _shuffled(
    name: str, questions: Sequence[LabelledQuestion], vectors: Mapping[str, Sequence[float]]
) -> list[Result]:
    """Ten thousand in another order each time: the fewest answers, the most errors."""
    runs = [
        await stream(random.Random(seed).sample(questions, min(10_000, len(questions))), vectors, seed)
        for seed in SEEDS
    ]
    hits, wrong = min(run.hit_rate for run in runs), max(run.error_rate for run in runs)
    return [
        Result(f"semantic: {name} shuffled, answered", 100 * hits, "%"),
        Result.at_most(f"semantic: {name} shuffled, wrong of all", 100 * wrong, "%", 100 * ERROR_BUDGET),
    ]


async def _look(around: Surroundings) -> list[Result]:
    """In PostgreSQL, among as many as a place may hold: all but the embedding of the question."""
    await migrate(around.database_url)
    pool = await open_pool(around.database_url)
    try:
        return await _timed_looks(PostgresSimilarReplies(pool))
    finally:
        await pool.close()


async def _timed_looks(store: PostgresSimilarReplies) -> list[Result]:
    draw, where = random.Random(0), Whereabouts(uuid4().bytes, b"facts", ("all",))
    as_of = (await store.nearest(where, bytes(48), 1)).as_of

    async def keep() -> None:
        vector = [draw.gauss(0, 0.05) for _ in range(384)]
        kept = KeptQuestion(uuid4(), f"What is the matter with {_word(draw)}?", array("f", vector).tobytes(), uuid4())
        await store.keep(where, NewSimilarReply(kept, sketch_of(vector), b"x" * 1000, 3600, as_of), MOST_KEPT)

    for _ in range(MOST_KEPT // 100):
        await asyncio.gather(*(keep() for _ in range(100)))
    walls, processors = list[float](), list[float]()
    for _ in range(LOOKS):
        vector = [draw.gauss(0, 0.05) for _ in range(384)]
        began, busy = time.perf_counter(), time.process_time()
        reading = read_question(f"Tell me what is the matter with {_word(draw)}.")
        nearby = await store.nearest(where, sketch_of(vector), MOST_NEIGHBOURS)
        assert reading is not None
        candidate(reading, neighbours(vector, nearby.kept))
        walls.append(time.perf_counter() - began)
        processors.append(time.process_time() - busy)
    return [
        Result(f"semantic: look among {MOST_KEPT:,}, median", 1000 * median(walls), "ms"),
        Result(f"semantic: look among {MOST_KEPT:,}, CPU", 1000 * median(processors), "ms"),
    ]


def _word(draw: random.Random) -> str:
    return "".join(draw.choice("bdklmnprst") + draw.choice("aeiou") for _ in range(4))


benchmark = Benchmark("semantic", run)
