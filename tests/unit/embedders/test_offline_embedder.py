"""The model that needs no provider: the same pieces as it was trained on, and vectors that say what is alike."""

import asyncio
import math
from collections.abc import Iterator

import pytest

from roadworthy.adapters.offline_embedder import embedder
from roadworthy.adapters.offline_embedder.embedder import MOST_PIECES, OfflineEmbedder
from roadworthy.adapters.offline_embedder.word_pieces import WordPieces
from roadworthy.domain.errors import EmbeddingFailed, TargetNotLoadable

PIECES = WordPieces()


@pytest.fixture(scope="module")
def offline() -> Iterator[OfflineEmbedder]:
    offline = OfflineEmbedder()
    yield offline
    asyncio.run(offline.close())


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("How do I reset my password?", [101, 2129, 2079, 1045, 25141, 2026, 20786, 1029, 102]),
        ("Ünïcödé naïve Straße", [101, 27260, 15743, 2358, 27807, 102]),
        ("JFK→SEA for $12.50!", [101, 1046, 24316, 30113, 17310, 2005, 1002, 2260, 1012, 2753, 999, 102]),
        ("价格5元", [101, 100, 100, 1019, 1769, 102]),
        ("tab\tzero\u200bwidth", [101, 21628, 5717, 9148, 11927, 2232, 102]),
        ("don't", [101, 2123, 1005, 1056, 102]),
        ("x" * 101, [101, 100, 102]),
        ("", [101, 102]),
    ],
)
def test_pieces_are_those_of_the_tokenizer_that_the_model_was_trained_with(text: str, numbers: list[int]):
    assert PIECES.numbers(text) == numbers


def test_a_text_can_not_name_the_marks_of_its_own_end():
    assert PIECES.numbers("[SEP]").count(102) == 1


def cosine(one: list[float], other: list[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


async def test_alike_is_what_means_the_same(offline: OfflineEmbedder):
    asked, again, other = await offline.embed(
        ["How do I reset my password?", "I forgot my password, how can I change it?", "Will it rain in Paris?"]
    )
    assert cosine(asked, asked) == pytest.approx(1)
    assert cosine(asked, again) > 0.8 > 0.3 > cosine(asked, other)


async def test_a_vector_does_not_depend_on_what_is_embedded_with_it(offline: OfflineEmbedder):
    texts = ["short", "a text that is a good deal longer than the others are", *(f"number {n}" for n in range(12))]
    together = await offline.embed(texts)
    for text, vector in zip(texts, together, strict=True):
        assert cosine(vector, (await offline.embed([text]))[0]) == pytest.approx(1, abs=1e-4)


async def test_the_loop_goes_on_meanwhile(offline: OfflineEmbedder):
    embedding = asyncio.create_task(offline.embed(["a text"] * offline.most))
    turns = 0
    while not embedding.done():
        turns += 1
        await asyncio.sleep(0.001)
    assert turns > 3


async def test_a_text_whose_end_the_model_would_not_see_has_no_vector(offline: OfflineEmbedder):
    assert len(await offline.embed(["word " * (MOST_PIECES - 2)])) == 1
    with pytest.raises(EmbeddingFailed, match="256") as failed:
        await offline.embed(["word " * MOST_PIECES])
    assert failed.value.of_a_text


async def test_nothing_is_the_answer_to_nothing(offline: OfflineEmbedder):
    assert await offline.embed([]) == []


def test_without_its_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedder, "_NEEDED", ("numpy", "no_such_runtime"))
    with pytest.raises(TargetNotLoadable, match=r"no_such_runtime: pip install 'roadworthy\[embeddings\]'"):
        OfflineEmbedder()
