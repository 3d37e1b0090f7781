import asyncio
import time

import pytest
from structlog.testing import capture_logs

from roadworthy.adapters.sqs import SqsWorkQueue, lane_poll, open_work_queue
from roadworthy.domain.errors import BrokerUnavailable

from .conftest import URL
from .recorder import Recorder
from .sqs_server import SqsServer, aws_environment

LANE, OTHER = "support@1", "billing@1"


async def wakes_again(queue: SqsWorkQueue) -> None:
    """As a worker does: what it hears of an outage is no reason to stop."""
    async with asyncio.timeout(20):
        while True:
            try:
                await queue.post([LANE])
                if await queue.wait([LANE], 0.5):
                    return
            except BrokerUnavailable:
                await asyncio.sleep(0.05)


async def test_a_killed_server_is_noticed_at_once_named_once_and_found_again(
    mortal_server: SqsServer, no_tasks_left: None, monkeypatch: pytest.MonkeyPatch
):
    for name, value in aws_environment(mortal_server.url).items():
        monkeypatch.setenv(name, value)
    queue = await open_work_queue(URL)
    await queue.post([LANE])
    assert await queue.wait([LANE], 5)
    with capture_logs() as logs:
        waiting = asyncio.create_task(queue.wait([LANE], 20))
        await asyncio.wait([waiting], timeout=0.3)
        mortal_server.kill()
        async with asyncio.timeout(15):
            with pytest.raises(BrokerUnavailable, match="is away"):
                await waiting
            for call in (queue.post([LANE]), queue.wait([LANE], 20), queue.wait([LANE], 20)):
                with pytest.raises(BrokerUnavailable, match="is away"):
                    await call
        started_without = await open_work_queue(URL)
        mortal_server.start()
        for each in (queue, started_without):
            await wakes_again(each)
            await each.close()
    events = [line["event"] for line in logs]
    assert events[:2] == ["lane_not_polled", "work_queue_away"]
    assert events.count("lane_polled_again") == events.count("lane_not_polled")


async def test_a_frozen_server_holds_nobody_for_ever(queue: SqsWorkQueue, sqs_server: SqsServer):
    await queue.post([LANE])
    assert await queue.wait([LANE], 5)
    sqs_server.freeze()
    try:
        started = time.monotonic()
        assert not await queue.wait([LANE], 0.2)
        posted = await asyncio.gather(*(queue.post([OTHER]) for _ in range(50)), return_exceptions=True)
        assert time.monotonic() - started < 5
        assert all(isinstance(outcome, BrokerUnavailable) for outcome in posted)
    finally:
        sqs_server.thaw()
    await wakes_again(queue)


async def test_a_service_that_throttles_is_left_alone(
    queue: SqsWorkQueue, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lane_poll, "FIRST_PAUSE", 60)
    recorder.refusals["ReceiveMessage"] = (400, "ThrottlingException")
    throttled = queue.wait([OTHER], 5), queue.wait([OTHER], 5), queue.wait([OTHER], 5)
    for wait in throttled:
        with pytest.raises(BrokerUnavailable, match="ThrottlingException"):
            await wait
    assert len(recorder.of("ReceiveMessage")) == 1
    del recorder.refusals["ReceiveMessage"]
    await queue.post([LANE])
    assert await queue.wait([LANE, OTHER], 5)


@pytest.mark.parametrize("code", ["InternalFailure", "ServiceUnavailable"])
async def test_a_failing_service_is_away(queue: SqsWorkQueue, recorder: Recorder, code: str):
    recorder.refusals["SendMessage"] = (503, code)
    with pytest.raises(BrokerUnavailable, match=code):
        await queue.post([LANE])


async def test_tickets_that_cannot_be_deleted_are_named_once_and_wake_nobody_again(
    queue: SqsWorkQueue, recorder: Recorder
):
    recorder.refusals["DeleteMessageBatch"] = (503, "ServiceUnavailable")
    with capture_logs() as logs:
        for count in (1, 2):
            await queue.post([LANE])
            assert await queue.wait([LANE], 5)
            await recorder.until(lambda: len(recorder.of("DeleteMessageBatch")) == count)  # noqa: B023
        assert not await queue.wait([LANE], 0.3)
    assert [line["event"] for line in logs] == ["tickets_not_deleted"]


async def test_a_lost_post_is_no_reason_not_to_post_the_others(queue: SqsWorkQueue, sqs_server: SqsServer):
    too_long = "x" * 2_000_000  # the lane stands in the message
    with pytest.raises(BrokerUnavailable, match="SendMessage"):
        await queue.post([too_long, LANE])
    assert sqs_server.tickets("test__support_v1") == (1, 0)
