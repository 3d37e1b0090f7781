"""What every `WorkQueue` must do."""

from __future__ import annotations

import asyncio

from roadworthy.testing.conformance.brokers import Broker

LONG, SHORT = 5.0, 0.2
"""Seconds: long enough for everything that must come, short enough to wait for what must not."""


class WorkQueueContract:
    """A `WorkQueue`, given `broker` and `other_broker`."""

    async def test_a_ticket_waits_for_a_worker(self, broker: Broker, other_broker: Broker):
        await broker.work_queue.post(["support@1"])
        assert await other_broker.work_queue.wait(["support@1"], LONG)

    async def test_a_ticket_wakes_a_worker_that_waits(self, broker: Broker, other_broker: Broker):
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(other_broker.work_queue.wait(["support@1"], LONG))
            await asyncio.wait([waiting], timeout=SHORT)
            assert not waiting.done()
            await broker.work_queue.post(["support@1"])
        assert waiting.result()

    async def test_without_a_ticket_waiting_ends_in_time(self, broker: Broker):
        assert not await broker.work_queue.wait(["support@1"], SHORT)

    async def test_one_ticket_wakes_one_worker(self, broker: Broker, other_broker: Broker):
        queues = [broker.work_queue, broker.work_queue, other_broker.work_queue]
        waiting = [asyncio.create_task(queue.wait(["support@1"], LONG)) for queue in queues]
        await broker.work_queue.post(["support@1"])
        woken, others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        too_many, others = await asyncio.wait(others, timeout=SHORT)
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        assert [each.result() for each in woken] == [True]
        assert not too_many

    async def test_as_many_tickets_wake_as_many_workers(self, broker: Broker, other_broker: Broker):
        async with asyncio.TaskGroup() as group:
            queues = [broker.work_queue, other_broker.work_queue] * 5
            waiting = [group.create_task(queue.wait(["support@1"], LONG)) for queue in queues]
            await asyncio.wait(waiting, timeout=SHORT)
            for _ in waiting:
                await broker.work_queue.post(["support@1"])
        assert all(each.result() for each in waiting)

    async def test_tickets_of_other_lanes_are_left_alone(self, broker: Broker):
        await broker.work_queue.post(["support@2"])
        assert not await broker.work_queue.wait(["support@1"], SHORT)
        assert await broker.work_queue.wait(["support@2"], LONG)

    async def test_a_worker_waits_for_any_of_its_lanes(self, broker: Broker, other_broker: Broker):
        for lane in ("support@1", "support@2", "billing@1"):
            await other_broker.work_queue.post([lane])
            assert await broker.work_queue.wait(["support@1", "support@2", "billing@1"], LONG)

    async def test_posting_for_many_lanes_gives_each_a_ticket(self, broker: Broker):
        await broker.work_queue.post(["support@1", "billing@1"])
        assert await broker.work_queue.wait(["billing@1"], LONG)
        assert await broker.work_queue.wait(["support@1"], LONG)

    async def test_waiting_takes_all_tickets_of_its_lanes(self, broker: Broker):
        for _ in range(3):
            await broker.work_queue.post(["support@1", "billing@1"])
        assert await broker.work_queue.wait(["support@1", "billing@1"], LONG)
        assert not await broker.work_queue.wait(["support@1", "billing@1"], SHORT)

    async def test_a_wait_that_ended_takes_no_ticket_from_the_next_one(self, broker: Broker):
        assert not await broker.work_queue.wait(["support@1"], SHORT)
        await broker.work_queue.post(["support@1"])
        assert await broker.work_queue.wait(["support@1"], LONG)

    async def test_a_wait_that_was_cancelled_loses_one_ticket_at_most(self, broker: Broker):
        waiting = asyncio.create_task(broker.work_queue.wait(["support@1"], LONG))
        await asyncio.wait([waiting], timeout=SHORT)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        for _ in range(2):
            await broker.work_queue.post(["support@1"])
        assert await broker.work_queue.wait(["support@1"], LONG)

    async def test_posting_for_no_lane_does_nothing(self, broker: Broker):
        await broker.work_queue.post([])
        assert not await broker.work_queue.wait(["support@1"], SHORT)
