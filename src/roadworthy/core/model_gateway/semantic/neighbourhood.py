"""What is kept around a question, and how far it agrees on an answer."""

from __future__ import annotations

import math
import unicodedata
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import Final

from roadworthy.core.model_gateway.semantic.question_reading import QuestionReading, read_question
from roadworthy.core.model_gateway.semantic.similarity_guards import may_share_an_answer
from roadworthy.ports.similar_replies import KeptQuestion

MOST_NEIGHBOURS: Final = 16
_NARROWNESS: Final = 15.0
"""A neighbour counts e times less for each fifteenth part of similarity that it is farther away."""
_STRANGER: Final = 0.65
"""The similarity of a neighbour that is always there and always disagrees: who is alone must be nearer than that."""
_MOST_WEIGHT: Final = 5


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A kept question and how alike it is: the cosine of the two vectors."""

    kept: KeptQuestion
    similarity: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """The reply that would be used again."""

    neighbour: Neighbour
    score: float
    """From 0 to 1: how much of what is kept around the question has the same answer as this one."""


def neighbours(vector: Sequence[float], kept: Sequence[KeptQuestion]) -> list[Neighbour]:
    """Nearest first; what was embedded in another way is left out."""
    found: list[Neighbour] = []
    for question in kept:
        other = array("f", question.vector)
        if len(other) == len(vector):
            found.append(Neighbour(question, sum(map(mul, vector, other))))
    found.sort(key=lambda neighbour: neighbour.similarity, reverse=True)
    return found


def candidate(reading: QuestionReading, near: Sequence[Neighbour]) -> Candidate | None:
    """The nearest question that may share its answer with this one, scored by all that are near."""
    for neighbour in near:
        other = read_question(neighbour.kept.question)
        if other is not None and may_share_an_answer(reading, other):
            return Candidate(neighbour, _agreement(neighbour.kept, near))
    return None


def repeated(question: str, near: Sequence[Neighbour]) -> Candidate | None:
    """The same question, word for word: nothing has to be learnt to use its reply again, but that it has only one."""
    words = _words(question)
    same = [neighbour for neighbour in near if _words(neighbour.kept.question) == words]
    return Candidate(same[0], 1.0) if len({neighbour.kept.answer for neighbour in same}) == 1 else None


def _words(question: str) -> str:
    """Its spaces don't count, unless lines do."""
    text = unicodedata.normalize("NFC", question)
    return text.strip() if "\n" in text.strip() else " ".join(text.split())


def _agreement(chosen: KeptQuestion, near: Sequence[Neighbour]) -> float:
    agree = everything = 0.0
    for neighbour in near:
        times = min(1 + neighbour.kept.confirmed, _MOST_WEIGHT)
        weight = times * math.exp(_NARROWNESS * (neighbour.similarity - 1))
        everything += weight
        if neighbour.kept.answer == chosen.answer:
            agree += weight
    return agree / (everything + math.exp(_NARROWNESS * (_STRANGER - 1)))
