"""Vectors of texts: callers at the same time share calls, and what was paid for once is kept."""

from __future__ import annotations

import asyncio
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from contextvars import Context

from roadworthy.core.model_gateway.cache_in_time import CacheInTime
from roadworthy.core.model_gateway.cache_place import digest_of
from roadworthy.core.model_gateway.counters import GatewayCounters
from roadworthy.core.model_gateway.later import Later
from roadworthy.domain.errors import EmbeddingFailed
from roadworthy.domain.keepable import foreign_words
from roadworthy.ports.embedder import Embedder

EMBEDDING_SECONDS = 86_400.0
WINDOW_SECONDS = 0.003
"""How long a text waits for others while a call is under way. Without one it goes at once."""
FORMAT = b"\x01"


class Embeddings:
    """One for each embedder of a process."""

    def __init__(
        self,
        embedder: Embedder,
        cache: CacheInTime | None = None,
        seconds: float = EMBEDDING_SECONDS,
        counters: GatewayCounters | None = None,
    ) -> None:
        self._embedder = embedder
        self._cache = cache
        self._seconds = seconds
        self._counted = (counters or GatewayCounters()).cache
        self._wanted: dict[str, asyncio.Future[list[float]]] = {}
        self._under_way: dict[str, asyncio.Future[list[float]]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._timer: asyncio.Handle | None = None
        self._later = Later()

    @property
    def name(self) -> str:
        """Of the model: vectors of different names can't be compared."""
        return self._embedder.name

    async def embed(self, text: str) -> list[float]:
        """The text's vector, of length 1; several callers may get the same list. Raises EmbeddingFailed."""
        vector = self._wanted.get(text) or self._under_way.get(text)
        if vector is None:
            vector = self._wanted[text] = asyncio.get_running_loop().create_future()
            self._set_out()
        # Whoever stops waiting leaves the others their vector.
        return await asyncio.shield(vector)

    async def close(self) -> None:
        """What is under way is given up."""
        if self._timer is not None:
            self._timer.cancel()
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self._later.close()

    def _set_out(self) -> None:
        loop = asyncio.get_running_loop()
        if len(self._wanted) >= self._embedder.most:
            self._go()
        elif self._timer is None:
            self._timer = loop.call_later(WINDOW_SECONDS, self._go) if self._calls else loop.call_soon(self._go)

    def _go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._wanted:
            return
        batch, self._wanted = self._wanted, {}
        self._under_way |= batch
        call = asyncio.create_task(self._answer(batch), context=Context())
        self._calls.add(call)
        call.add_done_callback(self._done)

    def _done(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not self._calls:
            self._go()

    async def _answer(self, batch: Mapping[str, asyncio.Future[list[float]]]) -> None:
        try:
            found = await self._kept(list(batch))
            for text, vector in found.items():
                batch[text].set_result(vector)
            if missing := [text for text in batch if text not in found]:
                await self._embed(missing, batch)
        except asyncio.CancelledError:
            _fail(batch.values(), EmbeddingFailed("the process ends"))
            raise
        except Exception as error:
            _fail(batch.values(), EmbeddingFailed(f"{type(error).__name__}: {foreign_words(error)}"))
        finally:
            for text in batch:
                del self._under_way[text]

    async def _kept(self, texts: Sequence[str]) -> dict[str, list[float]]:
        if self._cache is None:
            return {}
        looked = await self._cache.get([self._key(text) for text in texts])
        if looked is None:
            self._counted["embedding", "passed_over"] += len(texts)
            return {}
        vectors = {text: decoded(value) for text, value in zip(texts, looked.values, strict=True) if value is not None}
        found = {text: vector for text, vector in vectors.items() if vector is not None}
        self._counted["embedding", "hit"] += len(found)
        self._counted["embedding", "miss"] += len(texts) - len(found)
        return found

    async def _embed(self, texts: Sequence[str], batch: Mapping[str, asyncio.Future[list[float]]]) -> None:
        try:
            vectors = await self._embedder.embed(texts)
        except EmbeddingFailed as error:
            if not error.of_a_text or len(texts) == 1:
                self._counted["embedding", "failed"] += len(texts)
                _fail([batch[text] for text in texts], error)
                return
            middle = len(texts) // 2
            await self._embed(texts[:middle], batch)
            await self._embed(texts[middle:], batch)
            return
        made = dict(zip(texts, vectors, strict=True))
        for text, vector in made.items():
            batch[text].set_result(vector)
        if self._cache is not None:
            cache, values = self._cache, {self._key(text): encoded(vector) for text, vector in made.items()}

            async def keep() -> None:
                await cache.put(values, self._seconds)

            self._later.add(keep)

    def _key(self, text: str) -> bytes:
        return digest_of(b"embedding", self._embedder.name.encode(), text.encode(errors="surrogatepass"))


def encoded(vector: Sequence[float]) -> bytes:
    return FORMAT + _little_endian(array("f", vector)).tobytes()


def decoded(value: bytes) -> list[float] | None:
    """None for what `encoded` has not written."""
    numbers = array("f")
    if not value.startswith(FORMAT) or len(value) == len(FORMAT) or (len(value) - len(FORMAT)) % numbers.itemsize:
        return None
    numbers.frombytes(value[len(FORMAT) :])
    return _little_endian(numbers).tolist()


def _little_endian(numbers: array[float]) -> array[float]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _fail(vectors: Iterable[asyncio.Future[list[float]]], error: EmbeddingFailed) -> None:
    for vector in vectors:
        if not vector.done():
            vector.set_exception(error)
            vector.exception()  # nobody has to be waiting for it
