"""Tickets go through SQS: real processes over PostgreSQL, Valkey and a local SQS server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from integration.sqs.sqs_server import REGION, SqsServer

from .deployment import TARGET, Deployment
from .scripts import LONG

LANES = ["openai@1", "anthropic@1", "function@1"]
PREFIX = "acceptance"
SOON = 0.5
"""Seconds: two idle workers that claim unasked need two thirds of a second for a task on average."""


@pytest.fixture
def sqs() -> Iterator[SqsServer]:
    server = SqsServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def over_sqs(sqs: SqsServer, bare_deployment: Deployment) -> AsyncIterator[Deployment]:
    """No processes yet."""
    bare_deployment.settings |= {"ROADWORTHY_QUEUE_URL": f"sqs://{REGION}/{PREFIX}", **sqs.environment}
    return bare_deployment


async def run_one(deployment: Deployment, agent: str = "function") -> dict[str, Any]:
    receipt = await deployment.api.submit(agent, "Hello.")
    task = await deployment.api.ended(receipt["id"])
    assert (task["status"], task["output"], task["attempt"]) == ("succeeded", LONG, 1)
    return task


async def test_tickets_wake_workers_and_nothing_is_lost_without_them(over_sqs: Deployment, sqs: SqsServer) -> None:
    over_sqs.provider.control(script=[LONG])
    await asyncio.gather(over_sqs.start_api(), over_sqs.start_upkeep(), over_sqs.start_workers(2))
    for agent in ("openai", "anthropic", "function"):
        await run_one(over_sqs, agent)  # workers, API and upkeep have met the queues
    waited = [(await run_one(over_sqs))["timings"]["queued_seconds"] for _ in range(12)]
    assert sum(seconds < SOON for seconds in waited) >= 10, waited
    assert len(sqs.queues()) == len(LANES)

    sqs.kill()
    await asyncio.gather(*(run_one(over_sqs) for _ in range(5)))
    api = next(process for process in over_sqs.processes if process.name.startswith("api"))
    lost = await api.until_logged("tickets_lost")
    assert "SQS at 127.0.0.1" in lost["reason"]
    for worker in over_sqs.workers:
        await worker.until_logged("lane_not_polled", lane="function@1")
    sqs.start()
    for worker in over_sqs.workers:
        await worker.until_logged("lane_polled_again", lane="function@1")
    await run_one(over_sqs)


async def test_one_process_uses_it_too_and_ends_at_once(over_sqs: Deployment, sqs: SqsServer) -> None:
    over_sqs.provider.control(script=[LONG])
    process, _ = await over_sqs.start_api(command="serve")
    await run_one(over_sqs)
    assert f"{PREFIX}__function_v1" in sqs.queues()
    assert await process.terminate() == 0


async def test_what_is_wrong_with_the_queue_is_said_before_anything_runs(bare_deployment: Deployment) -> None:
    bare_deployment.settings["AWS_EC2_METADATA_DISABLED"] = "true"
    for url, said in (("kafka://host", "ROADWORTHY_QUEUE_URL"), (f"sqs://{REGION}/test", "no AWS credentials")):
        process = await bare_deployment.start("api", TARGET, "--port", "0", queue_url=url)
        assert await process.ended() == 2, process.present_state()
        assert said in process.errors[-1]
