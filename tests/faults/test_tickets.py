"""Tickets get lost, and come many times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis.asyncio as redis

from faults.evidence import longest_wait
from faults.trial import UNASKED_SECONDS, Trial

KEYS = [f"roadworthy:tickets:{agent}@1" for agent in ("openai", "function", "anthropic")]
THIEVES = 200
"""The longest waiting gets a ticket. A worker waits for two seconds at a time and then stands at the end of the line
again, in which it never comes to the front."""

pytestmark = pytest.mark.long


@asynccontextmanager
async def every_ticket_stolen(url: str) -> AsyncGenerator[None]:
    client = redis.from_url(url, max_connections=THIEVES + 1, socket_timeout=None)

    async def steal() -> None:
        while True:
            await client.blpop(KEYS, timeout=30)

    thieves = [asyncio.create_task(steal()) for _ in range(THIEVES)]
    try:
        while (await client.info("clients"))["blocked_clients"] < THIEVES:  # noqa: ASYNC110 - known to the server only
            await asyncio.sleep(0.05)
        yield
    finally:
        await _end(thieves, client)


@asynccontextmanager
async def tickets_without_work(url: str) -> AsyncGenerator[None]:
    client = redis.from_url(url)

    async def post() -> None:
        while True:
            for key in KEYS:
                await client.lpush(key, *range(20))
            await asyncio.sleep(0.01)

    posting = asyncio.create_task(post())
    try:
        yield
    finally:
        await _end([posting], client)


async def _end(tasks: list[asyncio.Task[None]], client: Any) -> None:
    gave_up = [task for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.aclose()
    assert not gave_up


async def test_tickets_of_valkey_lost(trial: Trial) -> None:
    async with every_ticket_stolen(trial.deployment.servers.redis_url):
        await trial.start()
        await trial.begin()
        await trial.until_tasks_end(20)
        evidence = await trial.judge()
    assert longest_wait(evidence) < UNASKED_SECONDS + 2


async def test_tickets_of_valkey_doubled(trial: Trial) -> None:
    async with tickets_without_work(trial.deployment.servers.redis_url):
        await trial.start()
        await trial.begin()
        await trial.until_tasks_end(20)
        await trial.judge()
    assert trial.outcome is not None
    assert trial.outcome.repeated_calls == 0
