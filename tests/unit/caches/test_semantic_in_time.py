"""The semantic cache is asked by way of embedders and the store: whatever they do, a call goes on soon."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from roadworthy.core.model_gateway import reply_caches
from roadworthy.core.model_gateway.cache_place import CachePlace
from roadworthy.core.model_gateway.found_reply import Found
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.core.model_gateway.reply_caches import ReplyCaches
from roadworthy.domain.errors import EmbeddingFailed, StoreUnavailable

PLACE = CachePlace(b"key", (), 60, 0.01)
FOUND = Found(ModelReply(b"", "model"), "semantic")


class Semantic:
    """Does with a look what it is told."""

    def __init__(self, does: Callable[[], Awaitable[Found | None]]) -> None:
        self.does = does
        self.asked = 0

    async def look(self, place: CachePlace, question: str) -> Found | None:
        self.asked += 1
        return await self.does()

    async def keep(self, place: CachePlace, question: str, reply: ModelReply) -> None: ...


async def finds() -> Found | None:
    return FOUND


async def finds_nothing() -> Found | None:
    return None


async def hangs() -> Found | None:
    await asyncio.Event().wait()
    return None


async def store_is_away() -> Found | None:
    raise StoreUnavailable


async def embeds_nothing() -> Found | None:
    raise EmbeddingFailed("the text is too long", of_a_text=True)


async def has_a_bug() -> Found | None:
    raise ZeroDivisionError


@pytest.mark.parametrize(("does", "found", "outcome"), [(finds, FOUND, "hit"), (finds_nothing, None, "miss")])
async def test_what_it_says_is_counted(does: Callable[[], Awaitable[Found | None]], found: Found | None, outcome: str):
    caches = ReplyCaches()
    assert await caches.meant(Semantic(does), PLACE, "Where is it?") is found
    assert caches.counters.cache == {("semantic", outcome): 1}


@pytest.mark.parametrize("does", [hangs, store_is_away, has_a_bug])
async def test_what_goes_wrong_costs_one_call_a_second_a_moment(
    does: Callable[[], Awaitable[Found | None]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reply_caches, "SEMANTIC_LOOK_SECONDS", 0.01)
    caches, semantic = ReplyCaches(), Semantic(does)
    with capture_logs() as logs:
        for _ in range(5):
            assert await caches.meant(semantic, PLACE, "Where is it?") is None
    assert semantic.asked == 1
    assert [entry["event"] for entry in logs] == ["semantic_cache_passed_over"]
    assert caches.counters.cache == {("semantic", "passed_over"): 5}


async def test_a_text_that_can_not_be_embedded_is_no_outage():
    caches, semantic = ReplyCaches(), Semantic(embeds_nothing)
    with capture_logs() as logs:
        for _ in range(3):
            assert await caches.meant(semantic, PLACE, "a very long text") is None
    assert (semantic.asked, logs) == (3, [])
