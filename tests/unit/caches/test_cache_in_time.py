"""A cache that is away or slow costs a call a moment once a second, and the log one line."""

import asyncio

import pytest
from structlog.testing import capture_logs

from roadworthy.core.model_gateway.absence import PAUSE_SECONDS
from roadworthy.core.model_gateway.cache_in_time import LOOK_SECONDS

from .standing_in import Surroundings


@pytest.fixture
async def here() -> Surroundings:
    return Surroundings()


async def test_what_was_put_is_found(here: Surroundings):
    cache = here.in_time()
    looked = await cache.get([b"key"], ["mark"])
    assert looked is not None
    assert await cache.put({b"key": b"value"}, 60, looked.stamp)
    found = await cache.get([b"key"], ["mark"])
    assert found is not None
    assert found.values == [b"value"]


async def test_a_cache_that_is_away_is_not_asked_for_a_second(here: Surroundings):
    cache = here.in_time()
    here.weather.is_away = True
    for _ in range(20):
        assert await cache.get([b"key"]) is None
        assert not await cache.put({b"key": b"value"}, 60)
    assert here.weather.calls == ["cache.get"]
    await here.clock.advance(PAUSE_SECONDS)
    assert await cache.get([b"key"]) is None
    assert await cache.get([b"key"]) is None
    assert here.weather.calls == ["cache.get"] * 2


async def test_an_outage_is_told_once_with_its_end(here: Surroundings):
    cache = here.in_time()
    with capture_logs() as logs:
        for here.weather.is_away in (True, True, False, False):
            await cache.get([b"key"])
            await here.clock.advance(PAUSE_SECONDS)
    assert [entry["event"] for entry in logs] == ["cache_passed_over", "cache_back"]
    assert logs[0]["reason"] == "Redis is away"


async def test_nobody_waits_for_a_cache_that_does_not_answer(here: Surroundings):
    cache, loop = here.in_time(), asyncio.get_running_loop()
    here.weather.thawed.clear()
    began = loop.time()
    assert await cache.get([b"key"]) is None
    assert loop.time() - began < LOOK_SECONDS + 1
    assert await cache.get([b"key"]) is None
    assert here.weather.calls == ["cache.get"]
    here.weather.thawed.set()
    await cache.close()


async def test_one_of_many_callers_looks_whether_it_is_back(here: Surroundings):
    cache = here.in_time()
    here.weather.is_away = True
    await cache.get([b"key"])
    await here.clock.advance(PAUSE_SECONDS)
    here.weather.calls.clear()
    await asyncio.gather(*(cache.get([b"key"]) for _ in range(10)))
    assert here.weather.calls == ["cache.get"]


async def test_a_caller_that_gives_up_leaves_nothing_behind(here: Surroundings):
    cache, before = here.in_time(), asyncio.all_tasks()
    here.weather.thawed.clear()
    looking = asyncio.create_task(cache.get([b"key"]))
    await here.weather.until(calls=1)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    here.weather.thawed.set()
    assert await cache.get([b"key"]) is not None


async def test_close_ends_what_never_answered(here: Surroundings):
    cache, before = here.in_time(), asyncio.all_tasks()
    here.weather.thawed.clear()
    await cache.get([b"key"])
    assert asyncio.all_tasks() > before
    await cache.close()
    assert asyncio.all_tasks() == before


async def test_an_error_that_nobody_thought_of_is_an_outage_too(here: Surroundings):
    class Broken:
        async def get(self, *_: object):
            raise RuntimeError("a bug")

        put = drop = get

    cache = here.in_time()
    cache._cache = Broken()
    with capture_logs() as logs:
        assert await cache.get([b"key"]) is None
    assert logs[0]["reason"] == "RuntimeError: a bug"
