"""Tickets and signals may go to different brokers: neither waits for the other, or is lost with it."""

import asyncio
from collections.abc import Collection

from structlog.testing import capture_logs

from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.event_log import MemoryCancelSignals, MemoryEventLog
from roadworthy.core.announcer import Announcer
from roadworthy.core.publisher import EventPublisher
from roadworthy.domain.errors import BrokerUnavailable
from roadworthy.domain.ids import new_id
from roadworthy.testing.manual_clock import ManualClock


class BlackHole:
    """A work queue that answers no post before it is told to."""

    def __init__(self) -> None:
        self.gives_up = asyncio.Event()
        self.posted: list[set[str]] = []

    async def post(self, lanes: Collection[str]) -> None:
        self.posted.append(set(lanes))
        await self.gives_up.wait()
        raise BrokerUnavailable("SQS is away.")

    async def wait(self, lanes: Collection[str], seconds: float) -> bool:
        return False

    async def close(self) -> None: ...


async def test_a_cancelled_task_is_signalled_while_tickets_are_stuck():
    broker, queue = MemoryBroker(ManualClock()), BlackHole()
    signals = MemoryCancelSignals(broker)
    announcer = Announcer(queue, EventPublisher(MemoryEventLog(broker)), signals)
    listening = signals.listen()
    heard = asyncio.ensure_future(anext(listening))
    await asyncio.sleep(0)
    announcer.wake(["support@1"])
    cancelled = new_id()
    async with asyncio.timeout(60):
        while not queue.posted or not heard.done():
            announcer.cancelled(cancelled)  # who does not listen yet hears nothing
            await asyncio.sleep(0)
    assert heard.result() == cancelled
    await listening.aclose()
    queue.gives_up.set()
    with capture_logs() as logs:
        await announcer.close()
    assert [(line["event"], line["reason"]) for line in logs] == [("tickets_lost", "SQS is away.")]


async def test_what_comes_while_one_post_is_under_way_is_posted_together():
    queue = BlackHole()
    broker = MemoryBroker(ManualClock())
    announcer = Announcer(queue, EventPublisher(MemoryEventLog(broker)), MemoryCancelSignals(broker))
    announcer.wake(["support@1"])
    await asyncio.sleep(0)
    for lane in ("support@1", "billing@1", "support@1"):
        announcer.wake([lane])
        await asyncio.sleep(0)
    queue.gives_up.set()
    await announcer.close()
    assert queue.posted == [{"support@1"}, {"support@1", "billing@1"}]
