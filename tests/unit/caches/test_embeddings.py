"""Callers at the same time share a call; what one of them does harms no other."""

import asyncio

import pytest

from roadworthy.core.model_gateway.counters import GatewayCounters
from roadworthy.core.model_gateway.embeddings import Embeddings, decoded, encoded
from roadworthy.domain.errors import EmbeddingFailed

from .standing_in import Letters, Surroundings


async def together(embeddings: Embeddings, *texts: str) -> list[list[float] | BaseException]:
    return list(await asyncio.gather(*(embeddings.embed(text) for text in texts), return_exceptions=True))


async def test_callers_of_one_moment_share_a_call():
    letters = Letters()
    vectors = await together(Embeddings(letters), "a", "bb", "ccc")
    assert vectors == [[1, 0.5], [2, 0.5], [3, 0.5]]
    assert letters.calls == [["a", "bb", "ccc"]]


async def test_the_same_text_is_embedded_once():
    letters = Letters()
    assert await together(Embeddings(letters), "a", "a", "a") == [[1, 0.5]] * 3
    assert letters.calls == [["a"]]


async def test_no_call_holds_more_texts_than_the_embedder_takes():
    letters = Letters(most=4)
    texts = ["x" * n for n in range(1, 11)]
    assert await together(Embeddings(letters), *texts) == [[n, 0.5] for n in range(1, 11)]
    assert [len(call) for call in letters.calls] == [4, 4, 2]


async def test_what_comes_while_a_call_is_under_way_waits_a_few_milliseconds_at_most():
    letters = Letters()
    embeddings = Embeddings(letters)
    letters.open.clear()
    first = asyncio.create_task(embeddings.embed("a"))
    await letters.until(calls=1)
    others = [asyncio.create_task(embeddings.embed(text)) for text in ("bb", "ccc")]
    await letters.until(calls=2)
    assert letters.calls == [["a"], ["bb", "ccc"]]
    letters.open.set()
    assert await asyncio.gather(first, *others) == [[1, 0.5], [2, 0.5], [3, 0.5]]


async def test_a_text_that_is_under_way_is_not_asked_for_again():
    letters = Letters()
    embeddings = Embeddings(letters)
    letters.open.clear()
    first = asyncio.create_task(embeddings.embed("a"))
    await letters.until(calls=1)
    second = asyncio.create_task(embeddings.embed("a"))
    await asyncio.sleep(0)
    letters.open.set()
    assert await first == await second == [1, 0.5]
    assert letters.calls == [["a"]]


async def test_a_text_that_fails_fails_alone():
    letters = Letters(most=8)
    vectors = await together(Embeddings(letters), "a", "bb", "bad", "dddd", "eeeee")
    assert [vector for vector in vectors if isinstance(vector, list)] == [[1, 0.5], [2, 0.5], [4, 0.5], [5, 0.5]]
    assert isinstance(vectors[2], EmbeddingFailed)


async def test_a_provider_that_is_away_is_asked_once_for_a_batch():
    letters = Letters(most=8)
    letters.is_away = True
    vectors = await together(Embeddings(letters), "a", "bb", "ccc", "dddd")
    assert all(isinstance(vector, EmbeddingFailed) for vector in vectors)
    assert len(letters.calls) == 1


async def test_who_gives_up_leaves_the_others_their_vectors():
    letters = Letters()
    embeddings = Embeddings(letters)
    letters.open.clear()
    callers = [asyncio.create_task(embeddings.embed(text)) for text in ("a", "a", "bb")]
    await letters.until(calls=1)
    callers[0].cancel()
    await asyncio.gather(callers[0], return_exceptions=True)
    letters.open.set()
    assert await asyncio.gather(*callers[1:]) == [[1, 0.5], [2, 0.5]]


async def test_an_embedder_with_a_bug_is_a_failure_like_any_other():
    class Broken(Letters):
        async def embed(self, texts: object) -> list[list[float]]:
            return [[1.0]]  # whatever the number of texts

    vectors = await together(Embeddings(Broken()), "a", "bb")
    assert all(isinstance(vector, EmbeddingFailed) for vector in vectors)


async def test_vectors_are_kept_for_the_next_one():
    here, letters, counters = Surroundings(), Letters(), GatewayCounters()
    for _ in range(2):
        embeddings = Embeddings(letters, here.in_time(), 60, counters)
        assert await together(embeddings, "a", "bb") == [[1, 0.5], [2, 0.5]]
        await embeddings.close()
    assert letters.calls == [["a", "bb"]]
    assert counters.cache == {("embedding", "miss"): 2, ("embedding", "hit"): 2}
    await here.clock.advance(61)
    await together(Embeddings(letters, here.in_time()), "a")
    assert letters.calls[1:] == [["a"]]


async def test_vectors_of_another_embedder_are_not_used():
    here, letters, others = Surroundings(), Letters(), Letters()
    others.name = "other letters"
    for one in (letters, others):
        embeddings = Embeddings(one, here.in_time())
        await embeddings.embed("a")
        await embeddings.close()
    assert others.calls == [["a"]]


async def test_without_its_cache_it_embeds():
    here, letters, counters = Surroundings(), Letters(), GatewayCounters()
    here.weather.is_away = True
    embeddings = Embeddings(letters, here.in_time(), 60, counters)
    assert await embeddings.embed("a") == [1, 0.5]
    assert counters.cache == {("embedding", "passed_over"): 1}
    await embeddings.close()


async def test_close_gives_up_what_is_under_way():
    letters, before = Letters(), asyncio.all_tasks()
    embeddings = Embeddings(letters)
    letters.open.clear()
    caller = asyncio.create_task(embeddings.embed("a"))
    await letters.until(calls=1)
    await embeddings.close()
    with pytest.raises(EmbeddingFailed):
        await caller
    assert asyncio.all_tasks() == before


def test_vectors_are_kept_in_four_bytes_a_number():
    vector = [0.5, -0.25, 1.0]
    assert len(encoded(vector)) == 13
    assert decoded(encoded(vector)) == vector


@pytest.mark.parametrize("value", [b"", b"\x01", b"\x01abc", b"\x02" + b"\0" * 8, b"foreign bytes!"])
def test_bytes_that_are_no_vector_are_a_miss(value: bytes):
    assert decoded(value) is None
