"""PostgreSQL's disk is full."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from acceptance.deployment import Deployment
from faults.small_disk import NoSmallDisk, SmallDisk
from faults.trial import LEASE_SECONDS, TAKEOVER_SECONDS, Trial
from roadworthy.adapters.postgres import migrate


@pytest.fixture
async def disk(bare_deployment: Deployment) -> AsyncIterator[SmallDisk]:
    disk = SmallDisk()
    elsewhere = bare_deployment.database_url
    try:
        await disk.start()
        await migrate(disk.url)
        bare_deployment.database_url = bare_deployment.settings["ROADWORTHY_DATABASE_URL"] = disk.url
        yield disk
    except NoSmallDisk as reason:
        pytest.skip(f"no disk can be filled here: {reason}")
    finally:
        bare_deployment.database_url = elsewhere
        await disk.stop()


@pytest.mark.long
async def test_disk_of_postgres_full(disk: SmallDisk, trial: Trial) -> None:
    """Nothing is accepted, and what runs waits; with room again everything goes on."""
    await trial.start()
    await trial.begin()
    affected = await trial.running()
    await disk.fill()
    trial.broke(affected)
    await trial.until_refused(10)
    await trial.time_goes_by(LEASE_SECONDS)
    await disk.free()
    trial.over()
    await trial.until_tasks_end(10)
    await trial.judge(within=LEASE_SECONDS + TAKEOVER_SECONDS)
