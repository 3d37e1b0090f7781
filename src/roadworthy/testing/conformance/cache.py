"""What every cache must do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from roadworthy.ports.cache import Cache, Looked

KEY, OTHER_KEY = b"\x00key\xff", b"other \r\n key"
VALUE, OTHER_VALUE = b"\x01value\x00\xff", b""
MARKS = ("agent:support", "tenant:acme")
LONG, SHORT = 60.0, 0.02


@dataclass(frozen=True, slots=True)
class Caches:
    """Two connections to one empty cache."""

    here: Cache
    there: Cache


async def put_under(cache: Cache, marks: tuple[str, ...] = MARKS, key: bytes = KEY, value: bytes = VALUE) -> bool:
    stamp = (await cache.get([key], marks)).stamp
    return await cache.put({key: value}, LONG, stamp)


async def value_of(cache: Cache, marks: tuple[str, ...] = MARKS, key: bytes = KEY) -> bytes | None:
    return (await cache.get([key], marks)).values[0]


class CacheContract:
    async def test_what_was_put_is_there_for_everybody(self, caches: Caches):
        assert await caches.here.put({KEY: VALUE, OTHER_KEY: OTHER_VALUE}, LONG)
        assert (await caches.there.get([OTHER_KEY, KEY])).values == [OTHER_VALUE, VALUE]

    async def test_what_nobody_put_is_missing_in_its_place(self, caches: Caches):
        await caches.here.put({KEY: VALUE}, LONG)
        assert (await caches.here.get([OTHER_KEY, KEY, b""])).values == [None, VALUE, None]

    async def test_nothing_is_found_for_no_keys(self, caches: Caches):
        assert (await caches.here.get([])).values == []
        assert await caches.here.put({}, LONG)

    async def test_a_later_value_takes_the_place_of_an_earlier_one(self, caches: Caches):
        await caches.here.put({KEY: VALUE}, LONG)
        await caches.there.put({KEY: OTHER_VALUE}, LONG)
        assert (await caches.here.get([KEY])).values == [OTHER_VALUE]

    async def test_a_value_is_gone_after_its_seconds(self, caches: Caches):
        await caches.here.put({KEY: VALUE}, SHORT)
        await caches.here.put({OTHER_KEY: VALUE}, LONG)
        await self._gone(caches.there, (), KEY)
        assert (await caches.there.get([OTHER_KEY])).values == [VALUE]

    async def test_values_under_marks_are_found_with_them(self, caches: Caches):
        assert await put_under(caches.here)
        assert await value_of(caches.there) == VALUE

    async def test_a_value_is_not_found_with_other_marks_than_it_was_put_with(self, caches: Caches):
        await put_under(caches.here)
        for marks in ((), ("agent:support",), ("tenant:acme", "agent:support"), (*MARKS, "all")):
            assert await value_of(caches.here, marks) is None

    async def test_a_value_without_marks_is_not_found_with_marks(self, caches: Caches):
        await put_under(caches.here, key=OTHER_KEY)  # so that the marks exist
        await caches.here.put({KEY: VALUE}, LONG)
        assert await value_of(caches.here) is None

    async def test_dropping_a_mark_forgets_what_was_put_under_it(self, caches: Caches):
        for mark in MARKS:
            assert await put_under(caches.here)
            await caches.there.drop(mark)
            assert await value_of(caches.here) is None
            assert await value_of(caches.there) is None

    async def test_dropping_a_mark_leaves_what_is_under_others(self, caches: Caches):
        await put_under(caches.here, ("all", "tenant:acme"))
        await put_under(caches.here, ("all", "tenant:other"), OTHER_KEY)
        await caches.there.drop("tenant:acme")
        assert await value_of(caches.here, ("all", "tenant:acme")) is None
        assert await value_of(caches.here, ("all", "tenant:other"), OTHER_KEY) == VALUE
        await caches.there.drop("all")
        assert await value_of(caches.here, ("all", "tenant:other"), OTHER_KEY) is None

    async def test_after_a_drop_values_are_kept_again(self, caches: Caches):
        await put_under(caches.here)
        await caches.here.drop(MARKS[0])
        assert await put_under(caches.there, value=OTHER_VALUE)
        assert await value_of(caches.here) == OTHER_VALUE

    async def test_dropping_twice_or_what_is_not_there_does_no_harm(self, caches: Caches):
        await caches.here.drop("agent:nobody")
        await put_under(caches.here)
        for _ in range(2):
            await caches.here.drop(MARKS[0])
        assert await value_of(caches.here) is None

    async def test_what_was_looked_for_before_a_drop_is_not_kept_after_it(self, caches: Caches):
        for before in (False, True):
            if before:
                await put_under(caches.here, key=OTHER_KEY)
            stamp = await self._stamp(caches.here)
            await caches.there.drop(MARKS[1])
            assert not await caches.here.put({KEY: VALUE}, LONG, stamp)
            assert await value_of(caches.here) is None

    async def test_a_drop_between_two_others_calls_is_noticed(self, caches: Caches):
        stamp = await self._stamp(caches.here)
        await put_under(caches.there)
        await caches.there.drop(MARKS[0])
        assert not await caches.here.put({KEY: VALUE}, LONG, stamp)
        assert await value_of(caches.here) is None

    async def test_calls_at_the_same_time_keep_their_values(self, caches: Caches):
        await put_under(caches.here)
        stamps = [await self._stamp(cache) for cache in (caches.here, caches.there)]
        assert await caches.here.put({KEY: VALUE}, LONG, stamps[0])
        assert await caches.there.put({OTHER_KEY: OTHER_VALUE}, LONG, stamps[1])
        assert (await caches.here.get([KEY, OTHER_KEY], MARKS)).values == [VALUE, OTHER_VALUE]

    async def test_a_value_of_short_life_leaves_the_mark_to_one_of_long_life(self, caches: Caches):
        await put_under(caches.here)
        stamp = await self._stamp(caches.here)
        assert await caches.here.put({OTHER_KEY: VALUE}, SHORT, stamp)
        await self._gone(caches.there, MARKS, OTHER_KEY)
        assert await value_of(caches.there) == VALUE

    async def test_a_value_outlives_the_first_that_came_under_its_mark(self, caches: Caches):
        stamp = await self._stamp(caches.here)
        assert await caches.here.put({OTHER_KEY: VALUE}, SHORT, stamp)
        assert await put_under(caches.here)
        await self._gone(caches.there, MARKS, OTHER_KEY)
        assert await value_of(caches.there) == VALUE

    async def test_large_values_come_back_whole(self, caches: Caches):
        value = bytes(range(256)) * 4096
        await put_under(caches.here, value=value)
        assert await value_of(caches.there) == value

    async def _stamp(self, cache: Cache):
        looked: Looked = await cache.get([KEY], MARKS)
        return looked.stamp

    async def _gone(self, cache: Cache, marks: tuple[str, ...], key: bytes) -> None:
        async with asyncio.timeout(60):
            while await value_of(cache, marks, key) is not None:  # noqa: ASYNC110
                await asyncio.sleep(SHORT)
