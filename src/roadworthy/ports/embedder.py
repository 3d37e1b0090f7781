"""Turns texts into vectors whose distance says how alike they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Embedder(Protocol):
    @property
    def name(self) -> str:
        """The model and its version: vectors of different names can't be compared."""
        ...

    @property
    def most(self) -> int:
        """Texts in one call."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of length 1 a text, in their order. Raises EmbeddingFailed."""
        ...
