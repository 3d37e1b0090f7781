import asyncio
from collections.abc import Sequence

import pytest

from roadworthy.core.committed_together import CommittedTogether


class Disk:
    """A write that stands still until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.failure: BaseException | None = None

    async def write(self, items: Sequence[int]) -> list[str]:
        self.batches.append(list(items))
        self.begun.set()
        await self.go.wait()
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        return [f"row {item}" for item in items]


async def test_items_of_one_tick_are_written_together_and_each_caller_gets_its_own_outcome():
    disk = Disk()
    together = CommittedTogether(disk.write)
    assert await asyncio.gather(*(together(n) for n in range(5))) == [f"row {n}" for n in range(5)]
    assert disk.batches == [[0, 1, 2, 3, 4]]


async def test_items_that_come_during_a_write_go_into_the_next_one():
    disk = Disk()
    disk.go.clear()
    together = CommittedTogether(disk.write)
    first = asyncio.create_task(together(0))
    await disk.begun.wait()
    others = [asyncio.create_task(together(n)) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    assert not first.done()
    disk.go.set()
    assert await asyncio.gather(first, *others) == ["row 0", "row 1", "row 2", "row 3"]
    assert disk.batches == [[0], [1, 2, 3]]


async def test_a_batch_takes_no_more_than_most():
    disk = Disk()
    together = CommittedTogether(disk.write, most=2)
    await asyncio.gather(*(together(n) for n in range(5)))
    assert disk.batches == [[0, 1], [2, 3], [4]]


async def test_a_failure_goes_to_its_batch_and_to_no_other():
    disk = Disk()
    disk.failure = OSError("disk full")
    together = CommittedTogether(disk.write, most=2)
    results = await asyncio.gather(*(together(n) for n in range(3)), return_exceptions=True)
    assert [str(result) for result in results] == ["disk full", "disk full", "row 2"]


async def test_a_write_that_loses_outcomes_is_an_error_and_not_a_hang():
    async def forgetful(items: Sequence[int]) -> list[int]:
        return list(items)[1:]

    together = CommittedTogether(forgetful)
    results = await asyncio.gather(together(1), together(2), return_exceptions=True)
    assert all(isinstance(result, RuntimeError) for result in results)


async def test_a_cancelled_caller_does_not_disturb_its_batch():
    disk = Disk()
    disk.go.clear()
    together = CommittedTogether(disk.write)
    callers = [asyncio.create_task(together(n)) for n in range(3)]
    await disk.begun.wait()
    callers[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await callers[1]
    disk.go.set()
    assert await callers[0] == "row 0"
    assert await callers[2] == "row 2"
    assert await together(9) == "row 9"


async def test_close_waits_for_what_is_under_way_and_then_refuses():
    disk = Disk()
    disk.go.clear()
    together = CommittedTogether(disk.write)
    first = asyncio.create_task(together(0))
    await disk.begun.wait()
    second = asyncio.create_task(together(1))
    await asyncio.sleep(0)
    closing = asyncio.create_task(together.close())
    await asyncio.sleep(0)
    assert not closing.done()
    disk.go.set()
    await closing
    assert (await first, await second) == ("row 0", "row 1")
    with pytest.raises(RuntimeError):
        await together(2)


async def test_closing_an_idle_one_returns_at_once():
    await CommittedTogether(Disk().write).close()


async def test_callers_do_not_hang_when_the_writer_is_killed():
    disk = Disk()
    disk.failure = asyncio.CancelledError()
    together = CommittedTogether(disk.write, most=1)
    results = await asyncio.gather(together(0), together(1), return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert await together(2) == "row 2"
