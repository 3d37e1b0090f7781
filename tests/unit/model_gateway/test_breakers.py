"""The breakers of one worker, alone and with those of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from roadworthy.adapters.memory.breakers import MemoryBreakers
from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.faults import PlannedFaults
from roadworthy.core.breakers import LOOK_AGAIN_SECONDS, PROBE_SECONDS
from roadworthy.core.model_gateway.breakers import ModelBreakers
from roadworthy.ports.breakers import Breakers, BreakerState
from roadworthy.testing.manual_clock import ManualClock


class Board:
    """Counts how often it is asked, and stays silent where it is told to."""

    def __init__(self, kept: Breakers) -> None:
        self.asked: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self._kept = kept

    async def failed(self, target: str, threshold: int, seconds: float) -> BreakerState:
        await self._asked("failed")
        return await self._kept.failed(target, threshold, seconds)

    async def succeeded(self, target: str) -> None:
        await self._asked("succeeded")
        await self._kept.succeeded(target)

    async def probe(self, target: str, seconds: float) -> bool:
        await self._asked("probe")
        return await self._kept.probe(target, seconds)

    async def states(self) -> dict[str, BreakerState]:
        await self._asked("states")
        return await self._kept.states()

    async def close(self) -> None: ...

    async def _asked(self, what: str) -> None:
        self.asked.append(what)
        await self.answers.wait()


class World:
    def __init__(self) -> None:
        self.clock = ManualClock(turns=5)
        self.faults = PlannedFaults(self.clock)
        self.broker = MemoryBroker(self.clock, self.faults)
        self.boards: list[Board] = []

    def worker(self, shared: bool = True, threshold: int = 3) -> ModelBreakers:
        """With a connection of its own to what all share, which is kept as `boards[-1]`."""
        self.boards.append(Board(MemoryBreakers(self.broker)))
        return ModelBreakers(self.boards[-1] if shared else None, threshold, 60, self.clock.monotonic)

    async def pass_time(self, seconds: float) -> None:
        await self.clock.advance(seconds)


@pytest.fixture
def world() -> World:
    return World()


async def settled(*workers: ModelBreakers) -> None:
    """What they had to tell each other is told."""
    for worker in workers:
        await worker.close()


async def learnt(world: World, worker: ModelBreakers) -> None:
    """A second later, during which it made a call: what others have told is known."""
    await world.pass_time(LOOK_AGAIN_SECONDS + 0.1)
    await worker.lets_through("another model")
    await settled(worker)


@pytest.fixture(params=["alone", "shared"])
async def breakers(request: pytest.FixtureRequest, world: World) -> AsyncIterator[ModelBreakers]:
    yield world.worker(request.param == "shared")


class TestOneWorker:
    async def test_it_lets_everything_through_that_has_not_failed(self, breakers: ModelBreakers):
        assert await breakers.lets_through("a")
        assert breakers.open == {}
        assert breakers.half_open_in("a") == 0

    async def test_so_many_failures_in_a_row_open_it(self, breakers: ModelBreakers, world: World):
        for _ in range(2):
            breakers.failed("a")
        assert await breakers.lets_through("a")
        breakers.failed("a")
        assert not await breakers.lets_through("a")
        assert await breakers.lets_through("b")
        assert breakers.half_open_in("a") == pytest.approx(60)
        assert breakers.open == {"a": True}
        await settled(breakers)

    async def test_a_success_in_between_begins_the_count_anew(self, breakers: ModelBreakers, world: World):
        for _ in range(10):
            breakers.failed("a")
            breakers.failed("a")
            breakers.succeeded("a", breakers.clock())
        await settled(breakers)
        assert await breakers.lets_through("a")
        assert breakers.open == {}

    async def test_once_half_open_one_call_probes_it(self, breakers: ModelBreakers, world: World):
        await opened(breakers)
        await world.pass_time(61)
        assert await breakers.lets_through("a")
        assert not await breakers.lets_through("a")
        breakers.succeeded("a", breakers.clock())
        assert await breakers.lets_through("a")
        await settled(breakers)
        assert breakers.open == {}

    async def test_a_probe_that_fails_opens_it_for_as_long_again(self, breakers: ModelBreakers, world: World):
        await opened(breakers)
        await world.pass_time(61)
        assert await breakers.lets_through("a")
        breakers.failed("a")
        assert breakers.half_open_in("a") == pytest.approx(60)
        await settled(breakers)
        await world.pass_time(59)
        assert not await breakers.lets_through("a")

    async def test_a_probe_whose_call_never_ends_is_followed_by_another(self, breakers: ModelBreakers, world: World):
        await opened(breakers)
        await world.pass_time(61)
        assert await breakers.lets_through("a")
        await world.pass_time(PROBE_SECONDS + 1)
        assert await breakers.lets_through("a")

    async def test_a_probe_that_was_not_made_is_left_to_the_next_call(self, breakers: ModelBreakers, world: World):
        await opened(breakers)
        await world.pass_time(61)
        assert await breakers.lets_through("a")
        with pytest.raises(ValueError), breakers.calling("a"):
            assert not await breakers.lets_through("a")
            raise ValueError
        assert await breakers.lets_through("a")
        with breakers.calling("a"):
            breakers.failed("a")
        assert not await breakers.lets_through("a")
        await settled(breakers)

    async def test_who_makes_no_probe_takes_none_away(self, breakers: ModelBreakers, world: World):
        with breakers.calling("a"):
            await opened(breakers)
            await world.pass_time(61)
            assert await breakers.lets_through("a")
        assert not await breakers.lets_through("a")

    async def test_a_service_that_may_not_call_the_model_leaves_its_own_probe(
        self, breakers: ModelBreakers, world: World
    ):
        await opened(breakers)
        for _ in range(3):
            breakers.failed("a (shop@1)")
        await settled(breakers)
        await world.pass_time(61)
        assert await breakers.lets_through("a")  # somebody else's probe
        shop = breakers.of("shop@1")
        assert not await shop.lets_through("a")
        breakers.succeeded("a", breakers.clock())
        await settled(breakers)
        assert await shop.lets_through("a")

    async def test_failures_of_calls_that_were_under_way_do_not_keep_it_open(
        self, breakers: ModelBreakers, world: World
    ):
        await opened(breakers)
        await world.pass_time(40)
        breakers.failed("a")
        assert breakers.half_open_in("a") == pytest.approx(20)
        await settled(breakers)
        assert breakers.half_open_in("a") == pytest.approx(20)

    async def test_an_answer_that_began_before_the_trouble_does_not_close_it(
        self, breakers: ModelBreakers, world: World
    ):
        began = breakers.clock()
        await world.pass_time(10)
        await opened(breakers)
        breakers.succeeded("a", began)
        assert not await breakers.lets_through("a")
        breakers.succeeded("a", breakers.clock())
        assert await breakers.lets_through("a")
        await settled(breakers)


async def opened(breakers: ModelBreakers) -> None:
    for _ in range(3):
        breakers.failed("a")
    await settled(breakers)


class TestManyWorkers:
    async def test_what_one_has_learnt_all_know_a_second_later(self, world: World):
        workers = [world.worker() for _ in range(50)]
        for worker in workers:
            assert await worker.lets_through("a")
        await opened(workers[0])
        for worker in workers[1:]:
            await learnt(world, worker)
            assert not await worker.lets_through("a")
            assert 0 < worker.half_open_in("a") <= 60

    async def test_their_failures_count_together(self, world: World):
        here, there = world.worker(), world.worker()
        here.failed("a")
        there.failed("a")
        await settled(here, there)
        here.failed("a")
        await settled(here)
        assert here.open == {"a": True}

    async def test_a_worker_that_starts_or_has_rested_asks_before_it_calls(self, world: World):
        here, there = world.worker(), world.worker()
        await opened(here)
        assert not await there.lets_through("a")
        here.succeeded("a", here.clock())
        await settled(here)
        await world.pass_time(6)
        assert await there.lets_through("a")

    async def test_one_of_them_probes(self, world: World):
        workers = [world.worker() for _ in range(5)]
        await opened(workers[0])
        for worker in workers:
            await learnt(world, worker)
        await world.pass_time(61)
        assert sum([await worker.lets_through("a") for worker in workers]) == 1

    async def test_when_it_is_well_again_all_of_them_use_it(self, world: World):
        here, there = world.worker(), world.worker()
        await opened(here)
        await learnt(world, there)
        await world.pass_time(61)
        assert await here.lets_through("a")
        here.succeeded("a", here.clock())
        await settled(here)
        await learnt(world, there)
        assert await there.lets_through("a")
        assert there.open == {}

    async def test_calls_of_models_that_are_well_cost_no_round_trip(self, world: World):
        breakers = world.worker()
        assert await breakers.lets_through("a")
        assert world.boards[-1].asked == ["states"]
        for _ in range(100):
            assert await breakers.lets_through("a")
            breakers.succeeded("a", breakers.clock())
            await world.pass_time(0.1)
        await settled(breakers)
        assert set(world.boards[-1].asked) == {"states"}
        assert len(world.boards[-1].asked) <= 11, "about once a second, in the background"

    async def test_calls_do_not_wait_for_what_is_asked_in_the_background(self, world: World):
        breakers = world.worker()
        await breakers.lets_through("a")
        await world.pass_time(2)
        world.boards[-1].answers.clear()
        assert await asyncio.wait_for(breakers.lets_through("a"), 5)
        world.boards[-1].answers.set()
        await settled(breakers)


class TestWithoutTheBoard:
    async def test_it_counts_alone_and_says_so_once(self, world: World):
        breakers = world.worker()
        for _ in range(10):
            world.faults.plan("breakers.states", "never")
            world.faults.plan("breakers.failed", "never")
        with capture_logs() as logs:
            await opened(breakers)
            assert not await breakers.lets_through("a")
            assert breakers.open == {"a": True}
            for _ in range(3):
                await learnt(world, breakers)
        assert [line["event"] for line in logs] == ["breaker_opened", "breakers_not_shared"]

    async def test_it_probes_alone(self, world: World):
        breakers = world.worker()
        for operation in ("states", "failed", "probe"):
            for _ in range(10):
                world.faults.plan(f"breakers.{operation}", "never")
        await opened(breakers)
        await world.pass_time(61)
        assert await breakers.lets_through("a")
        assert not await breakers.lets_through("a")

    async def test_one_that_does_not_answer_holds_up_the_first_call_for_a_moment_only(self, world: World):
        breakers = world.worker()
        world.boards[-1].answers.clear()
        async with asyncio.timeout(60):
            assert await breakers.lets_through("a")
            assert await breakers.lets_through("a")
        world.boards[-1].answers.set()
        await settled(breakers)

    async def test_what_it_has_lost_workers_learn_again(self, world: World):
        here, there = world.worker(), world.worker()
        await opened(here)
        world.broker.flush()
        await learnt(world, here)
        assert await here.lets_through("a")
        await opened(there)
        await learnt(world, here)
        assert not await here.lets_through("a")
