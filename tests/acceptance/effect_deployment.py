"""A deployment of agents whose tools leave their effects in a database of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .deployment import Deployment
from .effect_database import EffectDatabase

TARGET = f"{Path(__file__).with_name('effect_services.py')}:services"
LEASE = "2.5"
"""Seconds: soon over, and more than a dozen workers that start at once on two busy cores keep it."""


@pytest.fixture
async def effects(bare_deployment: Deployment) -> AsyncIterator[EffectDatabase]:
    """The effects of a deployment that has an API server and upkeep, and no workers yet."""
    deployment = bare_deployment
    effects = EffectDatabase(await deployment.servers.new_database(migrated=False))
    await effects.make()
    deployment.settings["ACCEPTANCE_EFFECTS"] = effects.url
    # Calls fail here all the time, and the breakers of all tests are in one Valkey.
    deployment.settings["ROADWORTHY_CIRCUIT_BREAKER_THRESHOLD"] = "1000"
    deployment.targets = [TARGET]
    await deployment.start_api(lease_seconds=LEASE)
    await deployment.start_upkeep(lease_seconds=LEASE, max_retries="100")
    try:
        yield effects
    finally:
        # Before their database is gone.
        await deployment.close()
        await deployment.servers.drop_database(effects.url)
