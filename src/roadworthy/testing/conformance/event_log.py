"""What every `EventLog` and all `CancelSignals` must do."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, cast

from roadworthy.domain.event import Event, EventKind, EventRecord, Place, Position
from roadworthy.domain.ids import TaskId, new_id
from roadworthy.ports.event_log import CancelSignals, Subscription
from roadworthy.testing.conformance.brokers import Broker

LONG, SHORT = 5.0, 0.1


def text_record(task_id: TaskId, place: int, attempt: int = 1, text: str = "x") -> EventRecord:
    at = Position(1, 2)
    event = Event(Place(1, attempt, 1, place).number, EventKind.TEXT, {"text": text})
    return EventRecord(task_id, at, at, (event,))


def text_records(task_id: TaskId, count: int, start: int = 1) -> list[EventRecord]:
    return [text_record(task_id, place) for place in range(start, start + count)]


async def gathered(subscription: Subscription, count: int) -> list[EventRecord]:
    """What comes until there are `count`, or nothing more comes."""
    records: list[EventRecord] = []
    while len(records) < count and (came := await subscription.next(LONG)):
        records.extend(came)
    return records


class EventLogContract:
    """An `EventLog`, given `broker` and `other_broker`."""

    async def test_records_are_read_as_they_were_published(self, broker: Broker, other_broker: Broker):
        task_id = new_id()
        usage = {"step": 1, "usage": {"input_tokens": 3}, "seconds": 0.25, "nothing": None, "text": "Grüße 🚚\u0000"}
        number = Place(2, 0, 0, 0).number
        events = (Event(number, EventKind.STEP, usage), Event(number + 1, EventKind.TOOL_CALL, {"arguments": [1]}))
        text_end = Place(1, 1, 1, 40).number
        records = [
            EventRecord(task_id, Position(0, 1), Position(1, 2), (Event(7, EventKind.STATUS, {"status": "queued"}),)),
            EventRecord(task_id, Position(1, 2), Position(2, 2), events, text_end),
        ]
        await broker.event_log.publish(records)
        assert await other_broker.event_log.read(task_id, 0) == records

    async def test_only_records_above_the_number_are_read(self, broker: Broker):
        records = text_records(new_id(), 5)
        await broker.event_log.publish(records)
        for n in range(5):
            assert await broker.event_log.read(records[0].task_id, records[n].number) == records[n + 1 :]
            assert await broker.event_log.read(records[0].task_id, records[n].number - 1) == records[n:]

    async def test_a_task_that_nothing_was_published_for_has_no_records(self, broker: Broker):
        assert await broker.event_log.read(new_id(), 0) == []

    async def test_records_of_many_tasks_go_their_own_ways(self, broker: Broker):
        task_ids = [new_id() for _ in range(10)]
        batch = [text_record(task_id, place) for place in range(1, 4) for task_id in task_ids]
        await broker.event_log.publish(batch)
        for task_id in task_ids:
            assert await broker.event_log.read(task_id, 0) == text_records(task_id, 3)

    async def test_numbers_that_do_not_rise_are_dropped_and_their_neighbours_are_not(self, broker: Broker):
        task_id, other = new_id(), new_id()
        await broker.event_log.publish([text_record(task_id, 5)])
        await broker.event_log.publish(
            [
                text_record(task_id, 5, text="again"),
                text_record(other, 1),
                text_record(task_id, 3),
                text_record(task_id, 6),
            ]
        )
        assert await broker.event_log.read(task_id, 0) == [text_record(task_id, 5), text_record(task_id, 6)]
        assert await broker.event_log.read(other, 0) == [text_record(other, 1)]

    async def test_a_zombies_records_are_dropped_once_a_newer_attempt_published(
        self, broker: Broker, other_broker: Broker
    ):
        task_id = new_id()
        mine = [text_record(task_id, place, attempt=2) for place in (1, 2)]
        async with broker.event_log.subscribe(task_id) as subscription:
            await broker.event_log.publish(mine[:1])
            await other_broker.event_log.publish(text_records(task_id, 50, start=100))
            await broker.event_log.publish(mine[1:])
            assert await gathered(subscription, 2) == mine
        assert await broker.event_log.read(task_id, 0) == mine

    async def test_publishers_at_once_leave_rising_numbers(self, broker: Broker, other_broker: Broker):
        task_id = new_id()
        logs = [broker.event_log, other_broker.event_log] * 10
        await asyncio.gather(*(log.publish([text_record(task_id, n + 1)]) for n, log in enumerate(logs)))
        numbers = [record.number for record in await broker.event_log.read(task_id, 0)]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == text_record(task_id, len(logs)).number

    async def test_big_batches_and_big_records_arrive_whole(self, broker: Broker, other_broker: Broker):
        task_ids = [new_id() for _ in range(5)]
        batch = [text_record(task_id, place) for place in range(1, 601) for task_id in task_ids]
        big = text_record(new_id(), 300_000, text="ü" * 300_000)
        await broker.event_log.publish([*batch, big])
        for task_id in task_ids:
            assert await other_broker.event_log.read(task_id, 0) == text_records(task_id, 600)
        assert await other_broker.event_log.read(big.task_id, 0) == [big]

    async def test_publishing_nothing_does_nothing(self, broker: Broker):
        await broker.event_log.publish([])


class SubscriptionContract:
    """`EventLog.subscribe`, given `broker` and `other_broker`."""

    async def test_a_subscription_gets_what_is_published_from_entering_on(self, broker: Broker, other_broker: Broker):
        records = text_records(new_id(), 6)
        await broker.event_log.publish(records[:2])
        async with other_broker.event_log.subscribe(records[0].task_id) as subscription:
            await broker.event_log.publish(records[2:5])
            await broker.event_log.publish(records[5:])
            assert await gathered(subscription, 4) == records[2:]

    async def test_a_record_wakes_the_reader_that_waits_for_it(self, broker: Broker, other_broker: Broker):
        record = text_record(new_id(), 1)
        async with other_broker.event_log.subscribe(record.task_id) as subscription, asyncio.TaskGroup() as group:
            waiting = group.create_task(subscription.next(LONG))
            await asyncio.wait([waiting], timeout=SHORT)
            assert not waiting.done()
            await broker.event_log.publish([record])
            assert await waiting == [record]

    async def test_without_a_record_waiting_ends_in_time(self, broker: Broker):
        async with broker.event_log.subscribe(new_id()) as subscription:
            assert await subscription.next(SHORT) == []
            assert await subscription.next(0) == []

    async def test_a_record_comes_once(self, broker: Broker):
        record = text_record(new_id(), 1)
        async with broker.event_log.subscribe(record.task_id) as subscription:
            await broker.event_log.publish([record])
            assert await subscription.next(LONG) == [record]
            assert await subscription.next(SHORT) == []

    async def test_every_subscriber_gets_everything_of_its_task_and_nothing_else(
        self, broker: Broker, other_broker: Broker
    ):
        mine, others = text_records(new_id(), 3), text_records(new_id(), 3)
        async with (
            broker.event_log.subscribe(mine[0].task_id) as first,
            broker.event_log.subscribe(mine[0].task_id) as second,
            other_broker.event_log.subscribe(mine[0].task_id) as elsewhere,
            broker.event_log.subscribe(others[0].task_id) as other,
        ):
            await broker.event_log.publish([record for pair in zip(mine, others, strict=True) for record in pair])
            for subscription, expected in ((first, mine), (second, mine), (elsewhere, mine), (other, others)):
                assert await gathered(subscription, 3) == expected

    async def test_leaving_one_subscription_leaves_the_others(self, broker: Broker):
        records = text_records(new_id(), 2)
        async with broker.event_log.subscribe(records[0].task_id) as staying:
            async with broker.event_log.subscribe(records[0].task_id) as leaving:
                await broker.event_log.publish(records[:1])
                assert await gathered(leaving, 1) == records[:1]
            await broker.event_log.publish(records[1:])
            assert await gathered(staying, 2) == records

    async def test_subscribing_and_then_reading_misses_nothing(self, broker: Broker, other_broker: Broker):
        records = text_records(new_id(), 100)
        task_id = records[0].task_id

        async def publish() -> None:
            for record in records:
                await broker.event_log.publish([record])

        async with asyncio.TaskGroup() as group:
            group.create_task(publish())
            async with other_broker.event_log.subscribe(task_id) as subscription:
                seen = await other_broker.event_log.read(task_id, 0)
                while not seen or seen[-1] != records[-1]:
                    came = await subscription.next(LONG)
                    assert came, "the subscription lost records"
                    seen += [record for record in came if not seen or record.number > seen[-1].number]
        assert seen == records


class CancelSignalsContract:
    """`CancelSignals`, given `broker` and `other_broker`."""

    async def test_everybody_who_listens_hears_a_signal(self, broker: Broker, other_broker: Broker):
        heard: list[tuple[str, TaskId]] = []

        async def listen(name: str, signals: CancelSignals) -> None:
            async with aclosing(cast(Any, signals.listen())) as task_ids:
                async for task_id in task_ids:
                    heard.append((name, task_id))

        listeners = [
            asyncio.create_task(listen("here", broker.cancel_signals)),
            asyncio.create_task(listen("there", other_broker.cancel_signals)),
        ]
        sent = new_id()

        async def both_heard() -> bool:
            await broker.cancel_signals.send(sent)
            return {name for name, _ in heard} == {"here", "there"}

        try:
            await broker.eventually(both_heard)
        finally:
            for listener in listeners:
                listener.cancel()
            await asyncio.gather(*listeners, return_exceptions=True)
        assert {task_id for _, task_id in heard} == {sent}

    async def test_a_signal_that_nobody_hears_does_no_harm(self, broker: Broker):
        await broker.cancel_signals.send(new_id())
