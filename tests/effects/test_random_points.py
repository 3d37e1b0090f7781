"""Workers are killed, and stopped until others have their tasks, at random points of their tools: `make effects` does
so hundreds of times. Whatever happens, an effect happens once or not at all, and what is said of it is true."""

from __future__ import annotations

import asyncio
import time

import pytest

from acceptance.deployment import Deployment
from acceptance.effect_database import EffectDatabase

from .accounts import Accounts
from .campaign import Campaign
from .conftest import FOUND

PAUSE_SECONDS = "0.03"
pytestmark = pytest.mark.timeout(1800)


async def test_killed(bare_deployment: Deployment, effects: EffectDatabase, request: pytest.FixtureRequest) -> None:
    kills: int | None = request.config.getoption("kills", None)
    bare_deployment.settings |= {"ACCEPTANCE_TOOL_SECONDS": "1", "ACCEPTANCE_PAUSE_SECONDS": PAUSE_SECONDS}
    campaign, began = Campaign(bare_deployment, effects, seed=1), time.monotonic()
    async with campaign.under_way():
        await campaign.kill(5 if kills is None else kills)
    accounts = Accounts()
    await accounts.take(bare_deployment, effects, campaign)
    if kills is not None:
        _tell(request, f"{kills} kills in {time.monotonic() - began:.0f} s", campaign, accounts)
    assert not accounts.wrong, "\n".join(accounts.wrong[:20])


async def test_stopped(bare_deployment: Deployment, effects: EffectDatabase, request: pytest.FixtureRequest) -> None:
    stops: int | None = request.config.getoption("stops", None)
    # Long enough that whoever was replaced wakes up before anybody may say what became of its calls.
    bare_deployment.settings |= {"ACCEPTANCE_TOOL_SECONDS": "3", "ACCEPTANCE_PAUSE_SECONDS": PAUSE_SECONDS}
    campaign, began = Campaign(bare_deployment, effects, seed=2), time.monotonic()
    async with campaign.under_way():
        times = 2 if stops is None else stops
        await asyncio.gather(campaign.stop(times // 2), campaign.stop(times - times // 2))
    accounts = Accounts()
    await accounts.take(bare_deployment, effects, campaign)
    if stops is not None:
        _tell(request, f"{stops} stops in {time.monotonic() - began:.0f} s", campaign, accounts)
    assert not accounts.wrong, "\n".join(accounts.wrong[:20])


def _tell(request: pytest.FixtureRequest, what: str, campaign: Campaign, accounts: Accounts) -> None:
    counted = [f"{name}: {count}" for name, count in sorted(accounts.counts.items())]
    met = [f"{name}: {count}" for name, count in sorted(campaign.met.items())]
    said = [f"{name}: {count}" for name, count in sorted(campaign.decisions.items())]
    request.config.stash[FOUND] += [
        f"{what}. Calls were met {', '.join(met)}",
        f"What became of all: {', '.join(counted)}. People said {', '.join(said)}",
    ]
