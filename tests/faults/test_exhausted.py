"""Connections to PostgreSQL run out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from faults.trial import LEASE_SECONDS, TAKEOVER_SECONDS, Trial

_END_OURS = "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'roadworthy%'"


@asynccontextmanager
async def every_connection_taken(url: str) -> AsyncGenerator[None]:
    """Those that Roadworthy had included."""
    taken: list[Any] = []

    async def take_the_rest() -> None:
        try:
            while True:
                taken.append(await asyncpg.connect(url, server_settings={"application_name": "greedy"}))
        except asyncpg.TooManyConnectionsError:
            return

    try:
        await take_the_rest()
        while await taken[0].fetch(_END_OURS):  # Roadworthy is quick to take one back
            await take_the_rest()
        yield
    finally:
        await asyncio.gather(*(connection.close() for connection in taken))


async def test_no_connection_left_in_postgres(trial: Trial) -> None:
    await trial.start()
    await trial.begin()
    affected = await trial.running()
    async with every_connection_taken(trial.deployment.database_url):
        trial.broke(affected)
        await trial.time_goes_by(LEASE_SECONDS * 1.5)
    trial.over()
    await trial.until_tasks_end(5)
    await trial.judge(within=TAKEOVER_SECONDS)


@pytest.mark.long
async def test_two_connections_for_each_process(trial: Trial) -> None:
    await trial.start(database_connections="2")
    await trial.begin(per_second=25)
    await trial.until_tasks_end(100)
    await trial.judge()
    assert trial.outcome is not None
    assert (trial.outcome.repeated_calls, trial.outcome.refused) == (0, 0)
