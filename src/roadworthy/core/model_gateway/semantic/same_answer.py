"""Whether two replies say the same: what the cache learns from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from operator import mul
from typing import Any, Final

import orjson

from roadworthy.core.model_gateway.embeddings import Embeddings
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.core.model_gateway.semantic.question_reading import facts_of

SameAnswer = Callable[[ModelReply, ModelReply], Awaitable[bool]]
"""In doubt False: the cache answers less often then."""

ALIKE: Final = 0.9
"""Cosine of two answers that say the same in other words, if they name the same numbers, identifiers and dates."""
_WORDS_AT_ONCE: Final = 100
"""Embedders cut off what is too long."""


class AnswersAlike:
    """Equal but for case and spaces; or alike to the embedder, with the same facts, both or neither saying no."""

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings

    async def __call__(self, one: ModelReply, other: ModelReply) -> bool:
        if _asked(one) != _asked(other):
            return False
        text, its_text = _plain(one.text), _plain(other.text)
        if text == its_text:
            return True
        facts, its_facts = facts_of(one.text), facts_of(other.text)
        if facts is None or its_facts is None or Counter(facts) != Counter(its_facts):
            return False
        vector, its_vector = await self._vector(text), await self._vector(its_text)
        lengths = (sum(map(mul, vector, vector)) * sum(map(mul, its_vector, its_vector))) ** 0.5
        return lengths > 0 and sum(map(mul, vector, its_vector)) / lengths >= ALIKE

    async def _vector(self, text: str) -> list[float]:
        words = text.split()
        whole: list[float] = []
        for start in range(0, len(words), _WORDS_AT_ONCE):
            part = await self._embeddings.embed(" ".join(words[start : start + _WORDS_AT_ONCE]))
            whole = [one + more for one, more in zip(whole, part, strict=True)] if whole else list(part)
        return whole


def _asked(reply: ModelReply) -> list[Any]:
    """What it asks tools for; the ids of calls are new each time."""
    return [(call["tool"], orjson.dumps(call["arguments"], option=orjson.OPT_SORT_KEYS)) for call in reply.tool_calls]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
