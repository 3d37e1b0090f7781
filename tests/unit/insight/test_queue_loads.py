import asyncio

from roadworthy.core.insight.queue_loads import QueueLoads
from roadworthy.ports.lanes import LaneLoad
from roadworthy.testing.manual_clock import ManualClock


class SlowLanes:
    """Answers after so many seconds."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.takes_seconds = 0.0
        self.asked = 0

    async def loads(self) -> list[LaneLoad]:
        self.asked += 1
        await self._clock.sleep(self.takes_seconds)
        return [LaneLoad("support@1", self.asked, 0, 0, 1)]

    async def dead_tasks(self) -> int:
        return 0

    async def seconds(self) -> float:
        return 0


async def test_however_many_ask_the_store_is_asked_once_in_two_seconds():
    clock = ManualClock()
    lanes = SlowLanes(clock)
    loads = QueueLoads(lanes, lanes, clock)  # type: ignore[arg-type]
    for _ in range(4):
        answers = await asyncio.gather(*(loads.look() for _ in range(5)))
        assert len({id(answer) for answer in answers}) == 1
        await clock.advance(1)
    assert lanes.asked == 2


async def test_the_longer_the_answer_takes_the_more_rarely_it_is_asked_for():
    clock = ManualClock()
    lanes = SlowLanes(clock)
    loads = QueueLoads(lanes, lanes, clock)  # type: ignore[arg-type]
    lanes.takes_seconds = 0.5
    asking = asyncio.create_task(loads.look())
    await clock.advance(0.5)
    await asking
    await clock.advance(9.4)
    await loads.look()
    assert lanes.asked == 1
    await clock.advance(0.1)
    asking = asyncio.create_task(loads.look())
    await clock.advance(0.5)
    assert (await asking).lanes[0].queued == lanes.asked == 2
