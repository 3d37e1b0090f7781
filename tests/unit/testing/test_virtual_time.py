import asyncio
import os
import random
import time
import uuid
from contextvars import Context

import anyio
import pytest

from roadworthy.testing.virtual_time import SimulatedProcess, VirtualTimeLoop, current_process, virtual_time


def loop_with(seed: int = 0) -> VirtualTimeLoop:
    return VirtualTimeLoop(random.Random(seed))


def test_a_long_sleep_takes_no_time():
    loop = loop_with()

    async def sleeper() -> float:
        await asyncio.sleep(86_400)
        return loop.time()

    began = time.monotonic()
    assert loop.run(sleeper()) == pytest.approx(86_400, abs=0.01)
    assert time.monotonic() - began < 5


def test_timers_come_in_their_order_and_time_limits_hold():
    async def main() -> list[int]:
        came: list[int] = []

        async def come(after: int) -> None:
            await asyncio.sleep(after)
            came.append(after)

        await asyncio.gather(*(come(after) for after in (30, 10, 20)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(6)
        return came

    assert loop_with().run(main()) == [10, 20, 30]


def test_nothing_of_a_killed_process_runs_any_more_not_even_its_clean_up():
    loop, process, done = loop_with(), SimulatedProcess("victim"), list[str]()

    async def victim() -> None:
        try:
            done.append("began")
            await asyncio.sleep(2)
            done.append("went on")
        finally:
            done.append("cleaned up")

    async def main() -> None:
        process.when_killed.append(lambda: done.append("missed"))
        loop.start(process, victim())
        await asyncio.sleep(1)
        loop.kill_process(process)
        await asyncio.sleep(5)

    loop.run(main())
    assert done == ["began", "missed"]


def test_a_stopped_process_finds_its_timers_due_when_it_goes_on():
    loop, process, woke = loop_with(), SimulatedProcess("stopped"), list[float]()

    async def sleeper() -> None:
        for _ in range(2):
            await asyncio.sleep(1)
            woke.append(round(loop.time(), 3))

    async def main() -> None:
        loop.start(process, sleeper())
        await asyncio.sleep(0.5)
        loop.stop_process(process)
        await asyncio.sleep(9.5)
        loop.continue_process(process)
        await asyncio.sleep(5)

    loop.run(main())
    assert woke == [10.0, 11.0]


def test_what_a_process_starts_in_an_empty_context_is_still_its_own():
    loop, process = loop_with(), SimulatedProcess("here", clock_skew=100)

    async def inner() -> str:
        return current_process().name

    async def outer() -> str:
        return await asyncio.create_task(inner(), context=Context())

    async def main() -> str:
        return await loop.start(process, outer())

    assert loop.run(main()) == "here"


def test_callbacks_of_one_process_keep_their_order_and_those_of_several_mix():
    def mixed(seed: int) -> list[str]:
        loop, came = loop_with(seed), list[str]()

        async def count_up(name: str) -> None:
            for number in range(5):
                came.append(f"{name}{number}")
                await asyncio.sleep(0)

        async def main() -> None:
            await asyncio.gather(*(loop.start(SimulatedProcess(name), count_up(name)) for name in "ab"))

        loop.run(main())
        return came

    orders = {tuple(mixed(seed)) for seed in range(20)}
    assert len(orders) > 5
    assert all([each for each in order if each[0] == "a"] == [f"a{n}" for n in range(5)] for order in orders)
    assert mixed(7) == mixed(7)


def test_clocks_and_random_numbers_are_the_loops_own_and_the_seeds():
    def drawn() -> tuple[object, ...]:
        loop = loop_with()
        with virtual_time(loop, random.Random(5)):

            async def main() -> tuple[object, ...]:
                await asyncio.sleep(3)
                skewed = loop.start(SimulatedProcess("skewed", clock_skew=-50), _now())
                return time.time(), time.monotonic(), random.random(), os.urandom(4), uuid.uuid4(), await skewed

            return loop.run(main())

    async def _now() -> float:
        return time.time()

    first = drawn()
    assert first == drawn()
    wall, monotonic, *_, skewed = first
    assert monotonic == pytest.approx(3, abs=0.01)
    assert skewed == pytest.approx(wall - 50, abs=0.01)  # type: ignore[operator]
    assert time.time() != pytest.approx(wall, abs=3600)


def test_task_groups_of_anyio_work():
    async def main() -> list[int]:
        came: list[int] = []

        async def come(after: int) -> None:
            await anyio.sleep(after)
            came.append(after)

        async with anyio.create_task_group() as group:
            for after in (2, 1):
                group.start_soon(come, after)
        return came

    assert loop_with().run(main()) == [1, 2]


def test_a_deadlock_is_an_error_and_so_is_a_thread():
    async def wait_for_ever() -> None:
        await asyncio.Event().wait()

    async def use_a_thread() -> None:
        await asyncio.to_thread(print)

    with pytest.raises(RuntimeError, match="will never come"):
        loop_with().run(wait_for_ever())
    with pytest.raises(RuntimeError, match="threads have a time of their own"):
        loop_with().run(use_a_thread())
