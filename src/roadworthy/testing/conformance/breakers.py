"""What every `Breakers` must do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from roadworthy.ports.breakers import Breakers, BreakerState

LONG, SHORT = 60.0, 0.1
"""Seconds that a breaker is open: until the test is over, or soon not any more."""


class BreakersContract:
    """A `Breakers`, given `connected_breakers`: two connections to one that is empty."""

    @pytest.fixture
    async def connected_breakers(self) -> AsyncIterator[tuple[Breakers, Breakers]]:
        raise NotImplementedError
        yield

    @pytest.fixture
    def here(self, connected_breakers: tuple[Breakers, Breakers]) -> Breakers:
        return connected_breakers[0]

    @pytest.fixture
    def there(self, connected_breakers: tuple[Breakers, Breakers]) -> Breakers:
        return connected_breakers[1]

    async def test_nothing_is_known_of_what_never_failed(self, here: Breakers):
        assert await here.states() == {}
        assert await here.probe("a", LONG)

    async def test_failures_of_all_workers_are_counted_together(self, here: Breakers, there: Breakers):
        assert await here.failed("a", 3, LONG) == BreakerState(1)
        assert await there.failed("a", 3, LONG) == BreakerState(2)
        assert await here.states() == await there.states() == {"a": BreakerState(2)}
        state = await here.failed("a", 3, LONG)
        assert state.is_open and state.failures == 3
        assert LONG - 5 < state.open_seconds <= LONG

    async def test_failures_at_the_same_time_are_all_counted(self, here: Breakers, there: Breakers):
        failing = [one.failed("a", 40, LONG) for one in (here, there) for _ in range(20)]
        states = await asyncio.gather(*failing)
        assert sorted(state.failures for state in states) == list(range(1, 41))
        assert [state.failures for state in states if state.is_open] == [40]

    async def test_targets_know_nothing_of_each_other(self, here: Breakers):
        await here.failed("a", 1, LONG)
        await here.failed("anthropic:claude-sonnet-4-5 (€)", 2, LONG)
        states = await here.states()
        assert states["a"].is_open
        assert states["anthropic:claude-sonnet-4-5 (€)"] == BreakerState(1)
        assert await here.probe("b", LONG)

    async def test_a_success_closes_it_and_forgets_its_failures(self, here: Breakers, there: Breakers):
        await here.failed("a", 1, LONG)
        await there.succeeded("a")
        assert await here.states() == {}
        assert await here.failed("a", 2, LONG) == BreakerState(1)

    async def test_a_success_of_what_never_failed_changes_nothing(self, here: Breakers):
        await here.succeeded("a")
        assert await here.states() == {}

    async def test_while_it_is_open_nobody_probes_it_and_failures_do_not_keep_it_open(
        self, here: Breakers, there: Breakers
    ):
        first = await here.failed("a", 1, LONG)
        assert not await there.probe("a", LONG)
        later = await there.failed("a", 1, 2 * LONG)
        assert later.failures == 2
        assert later.open_seconds <= first.open_seconds

    async def test_once_half_open_it_is_probed_by_one_of_all_workers(self, here: Breakers, there: Breakers):
        await here.failed("a", 1, SHORT)
        await self.half_open(there, "a")
        probes = await asyncio.gather(*(one.probe("a", LONG) for one in (here, there) for _ in range(10)))
        assert sum(probes) == 1
        state = (await here.states())["a"]
        assert state.is_open and state.open_seconds == 0

    async def test_a_probe_that_is_never_heard_of_again_is_followed_by_another(self, here: Breakers, there: Breakers):
        await here.failed("a", 1, SHORT)
        await self.half_open(here, "a")
        assert await here.probe("a", SHORT)
        await _eventually(lambda: there.probe("a", LONG))

    async def test_a_probe_that_fails_opens_it_again(self, here: Breakers, there: Breakers):
        for _ in range(5):
            await here.failed("a", 5, SHORT)
        await self.half_open(here, "a")
        assert await here.probe("a", LONG)
        again = await here.failed("a", 5, LONG)
        assert again.is_open and LONG - 5 < again.open_seconds <= LONG
        assert not await there.probe("a", LONG)

    async def test_a_probe_that_succeeds_closes_it(self, here: Breakers, there: Breakers):
        await here.failed("a", 1, SHORT)
        await self.half_open(here, "a")
        assert await here.probe("a", LONG)
        await here.succeeded("a")
        assert await there.states() == {}
        assert await there.probe("a", LONG) and await there.probe("a", LONG)

    async def half_open(self, breakers: Breakers, target: str) -> None:
        async def is_half_open() -> bool:
            state = (await breakers.states())[target]
            return state.is_open and not state.open_seconds

        await _eventually(is_half_open)


async def _eventually(check: Callable[[], Awaitable[bool]], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not await check():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
