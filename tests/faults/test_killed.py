"""Processes and servers die at once, as with `kill -9`, an out-of-memory killer or a pulled plug."""

from __future__ import annotations

import pytest

from faults.trial import LEASE_SECONDS, TAKEOVER_SECONDS, Trial, processes_named

long = pytest.mark.long


@long
async def test_worker_killed(trial: Trial) -> None:
    await trial.start()
    await trial.begin()
    victim = trial.deployment.workers[0]
    affected = await trial.until_running(3, victim)
    await victim.kill()
    trial.broke(affected)
    await trial.deployment.start_worker()
    await trial.until_tasks_end(15)
    await trial.judge(within=LEASE_SECONDS + TAKEOVER_SECONDS)


@long
async def test_every_worker_killed_at_once(trial: Trial) -> None:
    await trial.start()
    await trial.begin(running=8)
    affected = await trial.running()
    for victim in trial.deployment.workers:
        await victim.kill()
    trial.broke(affected)
    await trial.deployment.start_workers(2)
    await trial.until_tasks_end(15)
    await trial.judge(within=LEASE_SECONDS + TAKEOVER_SECONDS)


@long
async def test_workers_killed_again_and_again(trial: Trial) -> None:
    """The takeover of every task that a killed worker had, over many kills."""
    await trial.start(max_retries="20")
    await trial.begin()
    for _ in range(15):
        victim = trial.deployment.workers[-1]
        affected = await trial.until_running(3, victim)
        await victim.kill()
        trial.broke(affected)
        await trial.deployment.start_worker()
        await trial.until_taken_over(affected)
    await trial.judge(within=LEASE_SECONDS + TAKEOVER_SECONDS)


@long
async def test_api_killed(trial: Trial) -> None:
    await trial.start()
    await trial.begin()
    trial.broke(trial.streams_at(trial.deployment.apis[0]), for_clients=True)
    await processes_named(trial.deployment, "api")[0].kill()
    await trial.until_tasks_end(15)
    await trial.deployment.start_api()
    await trial.until_tasks_end(5)
    await trial.judge(within=5)


@long
async def test_upkeep_killed(trial: Trial) -> None:
    """The only one: what it looks after waits until there is another one."""
    await trial.start()
    await trial.begin()
    await processes_named(trial.deployment, "upkeep")[0].kill()
    victim = trial.deployment.workers[0]
    affected = await trial.until_running(3, victim)
    await victim.kill()
    await trial.until_tasks_end(5)
    trial.broke(affected)
    await trial.deployment.start_upkeep()
    await trial.judge(within=2 * LEASE_SECONDS + TAKEOVER_SECONDS)


@long
async def test_one_of_two_upkeeps_killed(trial: Trial) -> None:
    await trial.start(upkeeps=2)
    await trial.begin()
    await processes_named(trial.deployment, "upkeep")[0].kill()
    victim = trial.deployment.workers[0]
    affected = await trial.until_running(3, victim)
    await victim.kill()
    trial.broke(affected)
    await trial.until_tasks_end(15)
    await trial.judge(within=LEASE_SECONDS + TAKEOVER_SECONDS)


@long
async def test_serve_killed(trial: Trial) -> None:
    """Server, worker and upkeep at once, and nothing else there."""
    await trial.start(apis=0, workers=0, upkeeps=0)
    process, _ = await trial.deployment.start_api(command="serve")
    await trial.begin()
    affected = await trial.running()
    await process.kill()
    trial.broke(affected)
    await trial.deployment.start_api(command="serve")
    await trial.until_tasks_end(10)
    # No upkeep was there either: it first gives everybody one lease.
    await trial.judge(within=2 * LEASE_SECONDS + TAKEOVER_SECONDS)


@long
async def test_postgres_killed(trial: Trial) -> None:
    await trial.start()
    await trial.begin()
    trial.broke(await trial.running())
    await trial.deployment.servers.kill("postgres")
    await trial.until_tasks_end(15)
    await trial.judge(within=TAKEOVER_SECONDS)


@long
async def test_valkey_killed(trial: Trial) -> None:
    await trial.start()
    await trial.begin()
    trial.broke(await trial.running(), for_clients=True)
    await trial.deployment.servers.kill("valkey")
    await trial.until_tasks_end(15)
    await trial.judge(within=TAKEOVER_SECONDS)
