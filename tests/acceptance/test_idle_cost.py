"""What processes ask of PostgreSQL while there is nothing to do: every statement is counted on its way."""

from __future__ import annotations

import time
from pathlib import Path

from .deployment import Deployment
from .statement_counter import StatementCounter, counting
from .supervision import SMALL

APPLICATION = "roadworthy"
"""What connections are called but those for heartbeats."""


async def statements_a_second(counter: StatementCounter, starting: int, more: int) -> float:
    """From the last of those that belong to the start to the last of so many more."""
    await counter.until_counted(starting, APPLICATION)
    began = time.monotonic()
    counted = await counter.until_counted(more, APPLICATION)
    return counted / (time.monotonic() - began)


async def test_an_idle_worker_with_its_supervisor(bare_deployment: Deployment, folder: Path):
    """A worker claims unasked every two seconds or so, a supervisor looks as often. Heartbeats come on top."""
    (folder / "s").mkdir()
    async with counting(bare_deployment.database_url, folder / "s") as (counter, url):
        bounds = ("--min", "1", "--max", "1", "--health-port", "0")
        supervisor = await bare_deployment.start("worker", SMALL, *bounds, database_url=url, lease_seconds="30")
        await supervisor.until_logged("worker_ready")
        rate = await statements_a_second(counter, starting=5, more=5)
        print(f"an idle worker and its supervisor: {rate:.2f} statements a second; {counter.present_state()}")
        assert 0.5 < rate < 2
        assert await supervisor.terminate() == 0


async def test_an_idle_upkeep_that_looks_after_budgets(bare_deployment: Deployment, folder: Path):
    """Nine duties, the fastest once a second; those for money take a fifth of it."""
    (folder / "s").mkdir()
    async with counting(bare_deployment.database_url, folder / "s") as (counter, url):
        upkeep = await bare_deployment.start("upkeep", database_url=url, budget_global_month_usd="10")
        await upkeep.until_logged("upkeep_started")
        rate = await statements_a_second(counter, starting=30, more=24)
        print(f"an idle upkeep: {rate:.2f} statements a second; {counter.present_state()}")
        assert rate < 14
        assert await upkeep.terminate() == 0
