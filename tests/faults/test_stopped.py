"""Processes that stand still for longer than their lease and then go on, as on a machine that swaps or is moved."""

from __future__ import annotations

import signal

import pytest

from faults.trial import LEASE_SECONDS, TAKEOVER_SECONDS, Trial


async def test_worker_stopped_past_its_lease(trial: Trial) -> None:
    """A zombie: it wakes up in the middle of what somebody else is doing now."""
    await trial.start()
    await trial.begin()
    victim = trial.deployment.workers[0]
    affected = await trial.until_running(4, victim)
    victim.send(signal.SIGSTOP)
    trial.broke(affected)
    await trial.until_taken_over(affected)
    trial.wake(victim)
    await victim.until_logged("lease_lost")
    await trial.until_tasks_end(10)
    await trial.judge(within=LEASE_SECONDS + TAKEOVER_SECONDS)


@pytest.mark.long
async def test_workers_stopped_in_turn(trial: Trial) -> None:
    """Each is a zombie while the other one has its tasks, which is stopped next."""
    await trial.start(max_retries="20")
    await trial.begin()
    for _ in range(3):
        for victim in trial.deployment.workers:
            affected = await trial.until_running(3, victim)
            victim.send(signal.SIGSTOP)
            trial.broke(affected)
            await trial.until_taken_over(affected)
            trial.wake(victim)
            await trial.until_tasks_end(5)
    # Tasks that are lost again before they got on are parted: some of them wait for another lease.
    await trial.judge(within=3 * LEASE_SECONDS + TAKEOVER_SECONDS)


@pytest.mark.long
async def test_worker_stopped_for_less_than_its_lease(trial: Trial) -> None:
    trial.lease_seconds = 20
    await trial.start()
    await trial.begin()
    victim = trial.deployment.workers[0]
    affected = await trial.until_running(4, victim)
    victim.send(signal.SIGSTOP)
    trial.broke(affected)
    await trial.time_goes_by(2)
    trial.wake(victim)
    trial.over()
    evidence = await trial.judge(within=TAKEOVER_SECONDS)
    assert trial.outcome is not None
    assert trial.outcome.repeated_calls == 0
    assert {evidence.stored[task_id].attempt for task_id in affected} == {1}
