"""Tickets over SQS: its server dies, hangs, and loses or doubles what it was given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from acceptance.deployment import Deployment
from faults.evidence import longest_wait
from faults.trial import TAKEOVER_SECONDS, UNASKED_SECONDS, Trial
from integration.sqs.sqs_server import REGION, SqsServer

pytestmark = pytest.mark.long


@pytest.fixture
async def sqs(bare_deployment: Deployment) -> AsyncIterator[SqsServer]:
    server = SqsServer()
    await asyncio.to_thread(server.start)
    bare_deployment.settings.update(server.environment)
    bare_deployment.settings["ROADWORTHY_QUEUE_URL"] = f"sqs://{REGION}/faults"
    yield server
    await asyncio.to_thread(server.remove)


@asynccontextmanager
async def again_and_again(spoil: Callable[[str], Any], server: SqsServer) -> AsyncGenerator[None]:
    """Do that to every queue at once, until the context ends."""

    async def repeat() -> None:
        while True:
            urls = (await asyncio.to_thread(server.queues)).values()
            await asyncio.gather(*(asyncio.to_thread(spoil, url) for url in urls))
            await asyncio.sleep(0.01)

    repeating = asyncio.create_task(repeat())
    try:
        yield
    finally:
        repeating.cancel()
        await asyncio.gather(repeating, return_exceptions=True)


async def test_sqs_killed_and_started_again(sqs: SqsServer, trial: Trial) -> None:
    """It forgets every queue."""
    await trial.start()
    await trial.begin()
    affected = await trial.running()
    await asyncio.to_thread(sqs.kill)
    trial.broke(affected)
    await trial.until_tasks_end(10)
    await asyncio.to_thread(sqs.start)
    await trial.until_tasks_end(10)
    evidence = await trial.judge(within=TAKEOVER_SECONDS)
    assert longest_wait(evidence) < UNASKED_SECONDS + 2


async def test_sqs_hangs(sqs: SqsServer, trial: Trial) -> None:
    await trial.start()
    await trial.begin()
    affected = await trial.running()
    sqs.freeze()
    trial.broke(affected)
    await trial.until_tasks_end(10)
    sqs.thaw()
    await trial.until_tasks_end(10)
    await trial.judge(within=TAKEOVER_SECONDS)


async def test_sqs_loses_tickets(sqs: SqsServer, trial: Trial) -> None:
    """Some of them: those that another consumer was quicker to receive."""
    await trial.start()
    await trial.begin()

    def steal(url: str) -> None:
        received = sqs.admin.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in received.get("Messages", ()):
            sqs.admin.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    async with again_and_again(steal, sqs):
        await trial.until_tasks_end(20)
    evidence = await trial.judge()
    assert longest_wait(evidence) < UNASKED_SECONDS + 2


async def test_sqs_doubles_tickets(sqs: SqsServer, trial: Trial) -> None:
    await trial.start()
    await trial.begin()
    async with again_and_again(lambda url: sqs.admin.send_message(QueueUrl=url, MessageBody="again"), sqs):
        await trial.until_tasks_end(20)
    await trial.judge()
    assert trial.outcome is not None
    assert trial.outcome.repeated_calls == 0
