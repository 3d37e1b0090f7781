import asyncio

from roadworthy.testing.manual_clock import ManualClock


async def sleeper(clock: ManualClock, name: str, seconds: float, woken: list[tuple[str, float]]) -> None:
    await clock.sleep(seconds)
    woken.append((name, clock.monotonic()))


async def test_time_stands_still_until_it_is_advanced():
    clock = ManualClock(start=1000)
    assert (clock.time(), clock.monotonic()) == (1000, 0)
    await asyncio.sleep(0.01)
    assert (clock.time(), clock.monotonic()) == (1000, 0)
    await clock.advance(2.5)
    assert (clock.time(), clock.monotonic()) == (1002.5, 2.5)


async def test_sleepers_wake_in_the_order_of_their_times_each_at_its_own():
    clock, woken = ManualClock(), list[tuple[str, float]]()
    async with asyncio.TaskGroup() as group:
        for name, seconds in (("late", 3), ("early", 1), ("middle", 2)):
            group.create_task(sleeper(clock, name, seconds, woken))
        await clock.advance(5)
    assert woken == [("early", 1), ("middle", 2), ("late", 3)]


async def test_of_two_sleepers_with_one_time_the_first_to_lie_down_wakes_first():
    clock, woken = ManualClock(), list[tuple[str, float]]()
    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(sleeper(clock, name, 1, woken))
        await clock.advance(1)
    assert [name for name, _ in woken] == ["a", "b", "c"]


async def test_nobody_wakes_before_the_time_has_come():
    clock, woken = ManualClock(), list[tuple[str, float]]()
    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper(clock, "a", 1, woken))
        await clock.advance(0.999)
        assert woken == []
        assert clock.next_wake == 1
        await clock.advance(0.001)
        assert [name for name, _ in woken] == ["a"]
        assert clock.next_wake is None


async def test_a_sleeper_that_lies_down_again_wakes_within_the_same_advance():
    clock, times = ManualClock(), list[float]()

    async def ticks() -> None:
        for _ in range(4):
            await clock.sleep(1)
            times.append(clock.monotonic())

    async with asyncio.TaskGroup() as group:
        group.create_task(ticks())
        await clock.advance(10)
    assert times == [1, 2, 3, 4]


async def test_a_cancelled_sleeper_holds_nothing_up():
    clock = ManualClock()
    sleeping = asyncio.create_task(clock.sleep(1))
    await clock.advance(0.5)
    sleeping.cancel()
    await asyncio.gather(sleeping, return_exceptions=True)
    assert clock.next_wake is None
    await clock.advance(1)
    assert clock.monotonic() == 1.5


async def test_sleeping_for_no_time_only_lets_others_run():
    clock = ManualClock()
    await clock.sleep(0)
    await clock.sleep(-1)
    assert clock.monotonic() == 0
