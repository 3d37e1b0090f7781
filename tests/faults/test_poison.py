"""Tasks that harm the process they run in, or give back what nobody can keep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from faults.recipes import Recipe
from faults.trial import Trial

SERVICES = Path(__file__).with_name("poison_services.py")
CRASHING = Recipe("Crash", dead_with="lease_lost")
HUGE = Recipe("Huge", dead_with="not_keepable")
BROKEN = Recipe("Broken", dead_with="not_keepable")


@asynccontextmanager
async def workers_replaced(trial: Trial) -> AsyncGenerator[None]:
    """Whoever looks after processes starts another one for each that ended."""

    async def replace() -> None:
        while True:
            for worker in [worker for worker in trial.deployment.workers if worker.status is not None]:
                trial.deployment.processes.remove(worker)
                await trial.deployment.start_worker()
            await asyncio.sleep(0.05)

    replacing = asyncio.create_task(replace())
    try:
        yield
    finally:
        replacing.cancel()
        with suppress(asyncio.CancelledError):
            await replacing


async def begin(trial: Trial, **settings: str) -> None:
    trial.deployment.targets.append(f"{SERVICES}:services")
    await trial.start(**settings)
    await trial.begin()


@pytest.mark.parametrize("agent", ["exits", pytest.param("crashes", marks=pytest.mark.long)])
async def test_task_that_brings_its_worker_down(trial: Trial, agent: str) -> None:
    """It is given up after some workers; its neighbours, which died with it each time, are not."""
    await begin(trial)
    async with workers_replaced(trial):
        trial.broke(await trial.running())
        trial.load.ask(CRASHING, agent)
        await trial.until_tasks_end(20)
        await trial.load.stop_asking()
        await trial.load.all_done()
    await trial.judge()


@pytest.mark.long
@pytest.mark.parametrize(("recipe", "agent"), [(HUGE, "huge"), (BROKEN, "broken")], ids=["huge", "broken"])
async def test_task_whose_answer_can_not_be_kept(trial: Trial, recipe: Recipe, agent: str) -> None:
    await begin(trial)
    trial.broke(await trial.running())
    for _ in range(3):
        trial.load.ask(recipe, agent)
    await trial.until_tasks_end(20)
    await trial.judge()
    assert trial.outcome is not None
    assert trial.outcome.repeated_calls == 0


@pytest.mark.long
async def test_provider_that_breaks_one_answer_in_seven(trial: Trial) -> None:
    await trial.start(max_retries="10")
    trial.deployment.provider.control(faults=["malformed:0.07", "cut:0.07"], seed=3)
    await trial.begin()
    trial.broke(await trial.running())
    await trial.until_tasks_end(20)
    trial.deployment.provider.control(faults=[])
    await trial.judge()
