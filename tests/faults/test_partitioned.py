"""Connections that are slow, end, end for one side only, or lead nowhere."""

from __future__ import annotations

import pytest

from faults.trial import LEASE_SECONDS, TAKEOVER_SECONDS, Trial
from roadworthy.testing.fault_proxy import FaultProxy

FAULTS = ("delay", "cut", "half open", "black hole")
PARTITION_SECONDS = LEASE_SECONDS * 2
STREAM_CHECK_SECONDS = 3.0


def each_fault(*short: str) -> pytest.MarkDecorator:
    """All of them, the others than `short` only with --long."""
    return pytest.mark.parametrize(
        "fault", [pytest.param(fault, marks=() if fault in short else pytest.mark.long) for fault in FAULTS]
    )


def make(fault: str, proxy: FaultProxy) -> None:
    match fault:
        case "delay":
            proxy.delay(0.15)
        case "cut":
            proxy.cut()
        case "half open":
            proxy.half_open()
        case _:
            proxy.black_hole()


@each_fault("black hole")
async def test_worker_loses_postgres(trial: Trial, fault: str) -> None:
    """One of two: the other one takes its tasks over, and it comes back as a new one."""
    proxy, url = await trial.proxied_database()
    await trial.start(workers=1)
    cut_off = await trial.deployment.start_worker(database_url=url)
    await trial.begin()
    affected = await trial.until_running(3, cut_off)
    make(fault, proxy)
    trial.broke(affected)
    await trial.time_goes_by(PARTITION_SECONDS)
    proxy.heal()
    await trial.until_running(1, cut_off)
    await trial.until_tasks_end(5)
    await trial.judge(within=LEASE_SECONDS + TAKEOVER_SECONDS)


@each_fault()
async def test_worker_loses_the_broker(trial: Trial, fault: str) -> None:
    """Its tasks go on; their clients are told by the store."""
    proxy, url = await trial.proxied_broker()
    await trial.start(workers=1)
    cut_off = await trial.deployment.start_worker(redis_url=url)
    await trial.begin()
    affected = await trial.until_running(3, cut_off)
    make(fault, proxy)
    trial.broke(affected, for_clients=True)
    await trial.time_goes_by(PARTITION_SECONDS)
    proxy.heal()
    await trial.until_tasks_end(5)
    await trial.judge(within=STREAM_CHECK_SECONDS + TAKEOVER_SECONDS)


@each_fault("black hole")
async def test_api_loses_postgres(trial: Trial, fault: str) -> None:
    """One of two: clients whom it can't answer are answered by the other one."""
    proxy, url = await trial.proxied_database()
    await trial.start(apis=1)
    _, cut_off = await trial.deployment.start_api(database_url=url)
    await trial.begin()
    make(fault, proxy)
    trial.broke(trial.streams_at(cut_off), for_clients=True)
    await trial.time_goes_by(PARTITION_SECONDS)
    proxy.heal()
    await trial.until_tasks_end(5)
    await trial.judge(within=TAKEOVER_SECONDS)


@each_fault()
async def test_worker_loses_the_provider(trial: Trial, fault: str) -> None:
    """A call without an answer ends at the limit of its step and is made again."""
    proxy, url = await trial.proxied_provider()
    trial.deployment.settings["ACCEPTANCE_PROVIDER"] = url
    await trial.start(max_retries="10")
    await trial.begin()
    trial.broke(await trial.running())
    make(fault, proxy)
    await trial.time_goes_by(LEASE_SECONDS)
    proxy.heal()
    await trial.until_tasks_end(5)
    await trial.judge(within=4 + TAKEOVER_SECONDS)
