import asyncio
import time

import pytest

from roadworthy.adapters.sqs import SqsWorkQueue, lane_poll
from roadworthy.adapters.sqs.lane_queue import INVISIBLE_SECONDS, KEPT_SECONDS, LONG_POLL_SECONDS
from roadworthy.domain.errors import BrokerUnavailable

from .conftest import Open
from .recorder import Recorder
from .sqs_server import SqsServer

LANE, OTHER = "support@1", "billing@1"
QUEUE = "test__support_v1"


async def until(server: SqsServer, tickets: tuple[int, int]) -> None:
    """Wait for something in the server, which has no event for it."""
    async with asyncio.timeout(60):
        while server.tickets(QUEUE) != tickets:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def polling(recorder: Recorder, polls: int) -> None:
    await recorder.until(lambda: len(recorder.of("ReceiveMessage")) == polls)


async def test_the_queue_of_a_lane_is_made_when_it_is_needed(queue: SqsWorkQueue, sqs_server: SqsServer):
    assert sqs_server.queues() == {}
    await queue.post([LANE])
    assert list(sqs_server.queues()) == [QUEUE]
    found = sqs_server.admin.get_queue_attributes(QueueUrl=sqs_server.queues()[QUEUE], AttributeNames=["All"])
    attributes = found["Attributes"]
    assert int(attributes["MessageRetentionPeriod"]) == KEPT_SECONDS
    assert int(attributes["VisibilityTimeout"]) == INVISIBLE_SECONDS
    assert "FifoQueue" not in attributes


async def test_one_that_was_made_by_others_is_taken_as_it_is(
    queue: SqsWorkQueue, recorder: Recorder, sqs_server: SqsServer
):
    sqs_server.admin.create_queue(QueueName=QUEUE, Attributes={"MessageRetentionPeriod": "3600"})
    await queue.post([LANE])
    assert await queue.wait([LANE], 5)
    assert not recorder.of("CreateQueue")


async def test_two_that_make_it_at_the_same_time_have_the_same(open_queue: Open, sqs_server: SqsServer):
    here, there = await open_queue(), await open_queue()
    await asyncio.gather(*(queue.post([LANE]) for queue in (here, there, here, there)))
    assert sqs_server.tickets(QUEUE) == (4, 0)


async def test_one_that_was_deleted_is_made_again(queue: SqsWorkQueue, sqs_server: SqsServer):
    await queue.post([LANE])
    sqs_server.delete_queues()
    await queue.post([LANE])
    assert await queue.wait([LANE], 5)


async def test_a_ticket_is_deleted_once_it_woke_somebody(queue: SqsWorkQueue, sqs_server: SqsServer):
    await queue.post([LANE])
    assert await queue.wait([LANE, OTHER], 5)
    await until(sqs_server, (0, 0))


async def test_waiting_again_and_again_is_one_request_a_lane(queue: SqsWorkQueue, recorder: Recorder):
    for _ in range(20):
        assert not await queue.wait([LANE, OTHER], 0.02)
    await polling(recorder, 2)
    assert {poll["WaitTimeSeconds"] for poll in recorder.of("ReceiveMessage")} == {LONG_POLL_SECONDS}
    assert len(recorder.of("GetQueueUrl")) == 3  # one to see whether we may


async def test_nobody_polls_while_nobody_waits(queue: SqsWorkQueue, recorder: Recorder):
    await queue.post([LANE])
    assert await queue.wait([LANE], 5)
    await recorder.until(lambda: len(recorder.of("DeleteMessageBatch")) == 1)
    assert len(recorder.of("ReceiveMessage")) == 1


async def test_a_ticket_for_somebody_who_left_goes_to_another_worker(
    open_queue: Open, recorder: Recorder, sqs_server: SqsServer
):
    busy, idle = await open_queue(), await open_queue()
    assert not await busy.wait([LANE], 0.05)
    await polling(recorder, 1)
    await busy.post([LANE])
    await recorder.until(lambda: len(recorder.of("ChangeMessageVisibilityBatch")) == 1)
    assert await idle.wait([LANE], 5)
    await until(sqs_server, (0, 0))


async def test_a_worker_that_comes_back_at_once_gets_it(queue: SqsWorkQueue, recorder: Recorder):
    assert not await queue.wait([LANE], 0.05)
    await polling(recorder, 1)
    await queue.post([LANE])
    assert await queue.wait([LANE], 5)
    assert len(recorder.of("ReceiveMessage")) == 1


async def test_old_tickets_are_taken_by_the_dozen_and_wake_once(
    queue: SqsWorkQueue, recorder: Recorder, sqs_server: SqsServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lane_poll, "LATE_MILLISECONDS", -1)
    await queue.post([LANE])
    url = sqs_server.queues()[QUEUE]
    for _ in range(3):
        entries = [{"Id": str(number), "MessageBody": LANE} for number in range(10)]
        sqs_server.admin.send_message_batch(QueueUrl=url, Entries=entries)
    assert await queue.wait([LANE], 5)
    waiting = asyncio.create_task(queue.wait([LANE], 5))
    await until(sqs_server, (0, 0))
    assert not waiting.done()
    assert len(recorder.of("ReceiveMessage")) == 5  # one ticket, three times ten, and the poll that is under way
    assert len(recorder.of("DeleteMessageBatch")) == 4
    await queue.post([LANE])
    assert await waiting


async def test_no_lanes_are_no_error(queue: SqsWorkQueue, recorder: Recorder):
    asked = len(recorder.requests)
    await queue.post([])
    assert not await queue.wait([], 0.01)
    assert len(recorder.requests) == asked


async def test_many_lanes_are_polled_at_the_same_time(queue: SqsWorkQueue, recorder: Recorder):
    lanes = [f"agent{number}@1" for number in range(30)]
    waiting = asyncio.create_task(queue.wait(lanes, 20))
    await polling(recorder, 30)
    await queue.post([lanes[17]])
    assert await waiting


async def test_close_ends_those_who_wait_and_gives_back_what_nobody_took(
    open_queue: Open, recorder: Recorder, sqs_server: SqsServer
):
    queue, other = await open_queue(), await open_queue()
    waiting = asyncio.create_task(queue.wait([LANE], 20))
    await polling(recorder, 1)
    started = time.monotonic()
    await queue.close()
    assert time.monotonic() - started < 1
    with pytest.raises(BrokerUnavailable):
        await waiting
    for call in (queue.wait([LANE], 20), queue.post([LANE])):
        with pytest.raises(BrokerUnavailable, match="closed"):
            await call
    await other.post([LANE])
    await until(sqs_server, (1, 0))
