"""PostgreSQL and Valkey are restarted, away for a while, emptied or full."""

from __future__ import annotations

import pytest

from faults.trial import LEASE_SECONDS, TAKEOVER_SECONDS, Trial

long = pytest.mark.long


@long
async def test_postgres_restarted(trial: Trial) -> None:
    await trial.start()
    await trial.begin()
    trial.broke(await trial.running())
    await trial.deployment.servers.restart("postgres")
    trial.over()
    await trial.until_tasks_end(10)
    await trial.judge(within=TAKEOVER_SECONDS)


@long
async def test_valkey_restarted(trial: Trial) -> None:
    await trial.start()
    await trial.begin()
    trial.broke(await trial.running(), for_clients=True)
    await trial.deployment.servers.restart("valkey")
    await trial.until_tasks_end(10)
    await trial.judge(within=TAKEOVER_SECONDS)


async def test_postgres_away_for_longer_than_a_lease(trial: Trial) -> None:
    """Nobody could renew a lease and nobody is to blame: every worker keeps its tasks, and no call is made again.
    Not even if upkeep finds its way back first."""
    proxy, url = await trial.proxied_database()
    await trial.start(workers=0)
    await trial.deployment.start_workers(2, database_url=url)
    await trial.begin()
    affected = await trial.running()
    await trial.deployment.servers.take_away("postgres")
    trial.broke(affected)
    for worker in trial.deployment.workers:
        await worker.until(
            lambda worker=worker: worker.logged("lease_ran_out"),
            "its lease runs out",
        )
    proxy.cut()
    await trial.deployment.servers.bring_back("postgres")
    await trial.time_goes_by(LEASE_SECONDS / 2)
    proxy.heal()
    trial.over()
    await trial.until_tasks_end(10)
    evidence = await trial.judge(within=TAKEOVER_SECONDS)
    assert trial.outcome is not None
    assert trial.outcome.repeated_calls == 0
    assert {task.attempt for task in evidence.stored.values()} == {1}


@long
async def test_valkey_away(trial: Trial) -> None:
    await trial.start()
    await trial.begin()
    affected = await trial.running()
    await trial.deployment.servers.take_away("valkey")
    trial.broke(affected, for_clients=True)
    await trial.until_tasks_end(15)
    await trial.deployment.servers.bring_back("valkey")
    await trial.until_tasks_end(5)
    await trial.judge(within=TAKEOVER_SECONDS)


@long
async def test_valkey_flushed_again_and_again(trial: Trial) -> None:
    await trial.start()
    await trial.begin()
    trial.broke(await trial.running(), for_clients=True)
    for _ in range(10):
        await trial.deployment.servers.flush_broker()
        await trial.until_tasks_end(2)
    await trial.judge(within=TAKEOVER_SECONDS)
