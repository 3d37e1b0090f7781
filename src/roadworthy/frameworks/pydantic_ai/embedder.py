"""Vectors of texts from a provider, by way of pydantic-ai."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from decimal import Decimal

from pydantic_ai.embeddings import EmbeddingModel, EmbeddingResult, infer_embedding_model
from pydantic_ai.exceptions import ModelHTTPError, UserError

from roadworthy.domain.errors import EmbeddingFailed, TargetNotLoadable
from roadworthy.domain.keepable import foreign_words

CALL_SECONDS = 10.0
MOST_TEXTS = 64
_MOST_TEXTS = {"openai": 256, "cohere": 96, "voyageai": 128}
"""In one call, by provider: what it allows, or what keeps a call short."""
_OF_A_TEXT = frozenset({400, 413, 422})
"""What a provider says to one of the texts; everything else it would say to any."""

OnUse = Callable[[int, Decimal], None]
"""Told tokens and dollars of each call; 0 where nobody knows the price."""


class PydanticAIEmbedder:
    """Implements `ports.embedder.Embedder`. Raises TargetNotLoadable for a name that can't be used.

    Its cost is no task's: callers share calls, and a short question costs less than a micro-dollar.
    """

    def __init__(self, model: str | EmbeddingModel, on_use: OnUse = lambda tokens, dollars: None) -> None:
        try:
            self._model = infer_embedding_model(model)
        except (UserError, ValueError, ImportError) as error:
            raise TargetNotLoadable(f"the embedder {str(model)!r} can't be used: {error}") from error
        self._on_use = on_use
        self.name = f"{self._model.system}:{self._model.model_name}"
        self.most = _MOST_TEXTS.get(self._model.system, MOST_TEXTS)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                result = await self._model.embed(list(texts), input_type="query")
        except TimeoutError:
            raise EmbeddingFailed(f"{self.name} did not answer within {CALL_SECONDS:g} s") from None
        except Exception as error:
            of_a_text = isinstance(error, ModelHTTPError) and error.status_code in _OF_A_TEXT
            words = f"{self.name}: {type(error).__name__}: {foreign_words(error)}"
            raise EmbeddingFailed(words, of_a_text=of_a_text) from error
        self._on_use(result.usage.input_tokens, _dollars(result))
        return [_of_length_one(vector) for vector in result.embeddings]

    async def warm_up(self) -> None:
        """There is nothing to load."""

    async def close(self) -> None:
        """The provider's client belongs to pydantic-ai."""


def _dollars(result: EmbeddingResult) -> Decimal:
    try:
        return result.cost().total_price
    except (LookupError, AssertionError):
        return Decimal(0)


def _of_length_one(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(math.fsum(number * number for number in vector))
    if not length or not math.isfinite(length):
        raise EmbeddingFailed("the provider sent a vector that points nowhere", of_a_text=True)
    return [number / length for number in vector]
