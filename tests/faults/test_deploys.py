"""Processes are asked to end and others take their place, in the middle of everything."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from faults.evidence import Evidence
from faults.trial import Trial, processes_named

SECOND_VERSION = f"{Path(__file__).with_name('second_version.py')}:services"


def handovers(evidence: Evidence) -> list[float]:
    """Seconds that each task that was handed over waited for its next worker."""
    waits = []
    for task in evidence.stored.values():
        for before, after in pairwise(task.changes):
            if before.status == "queued" and after.status == "running" and before.attempt:
                waits.append(after.at - before.at)
    return waits


def nothing_was_repeated(trial: Trial) -> bool:
    assert trial.outcome is not None
    return (trial.outcome.repeated_calls, trial.outcome.gave_up) == (0, 0)


@pytest.mark.long
async def test_workers_replaced_one_by_one(trial: Trial) -> None:
    """The same version: what the old ones had in hand goes on at the new ones at once."""
    await trial.start()
    await trial.begin()
    affected = await trial.running()
    trial.broke(affected)
    for old in trial.deployment.workers:
        await trial.deployment.start_worker()
        assert await old.terminate() == 0
    await trial.until_tasks_end(10)
    evidence = await trial.judge(within=2)
    assert nothing_was_repeated(trial)
    assert max(handovers(evidence), default=0) < 1


@pytest.mark.long
async def test_everything_replaced_by_another_version(trial: Trial) -> None:
    """Tasks end on the version that they were accepted for, whose workers stay until there are no more of them."""
    deployment = trial.deployment
    await trial.start()
    await trial.begin()
    trial.broke(await trial.running())
    old = processes_named(deployment, "api") + processes_named(deployment, "worker")
    deployment.targets = [SECOND_VERSION]
    await asyncio.gather(deployment.start_api(), deployment.start_api(), deployment.start_workers(2))
    trial.load.version = "2"
    for api in old[:2]:
        assert await api.terminate() == 0
    await trial.until_none("select from tasks where version = '1' and ended_at is null")
    for worker in old[2:]:
        assert await worker.terminate() == 0
    await trial.until_tasks_end(10)
    await trial.judge(within=2)
    assert nothing_was_repeated(trial)
    versions = await deployment.fetch("select version, count(*) from tasks group by 1 order by 1")
    assert [version for version, _ in versions] == ["1", "2"]
