"""Tickets get lost, and come twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import redis.asyncio as redis

from faults.evidence import longest_wait
from faults.trial import UNASKED_SECONDS, Trial

LANES = ("openai@1", "function@1", "anthropic@1")


@asynccontextmanager
async def tickets_spoiled(trial: Trial, how: str) -> AsyncGenerator[None]:
    client = redis.from_url(trial.deployment.servers.redis_url)

    async def spoil() -> None:
        while True:
            for lane in LANES:
                key = f"roadworthy:tickets:{lane}"
                await (client.delete(key) if how == "lost" else client.lpush(key, *range(20)))
            await asyncio.sleep(0.01)

    spoiling = asyncio.create_task(spoil())
    try:
        yield
    finally:
        spoiling.cancel()
        await asyncio.gather(spoiling, return_exceptions=True)
        await client.aclose()


@pytest.mark.long
@pytest.mark.parametrize("how", ["lost", "doubled"])
async def test_tickets_of_valkey(trial: Trial, how: str) -> None:
    await trial.start()
    await trial.begin()
    async with tickets_spoiled(trial, how):
        trial.broke([])
        await trial.until_tasks_end(20)
    evidence = await trial.judge()
    assert longest_wait(evidence) < UNASKED_SECONDS + 2
    assert trial.outcome is not None
    assert trial.outcome.repeated_calls == 0
