"""The wall clock of a process jumps: leases are kept by clocks that do not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from acceptance.deployment import Deployment
from acceptance.http_api import Api
from acceptance.processes import Process, execute
from faults.trial import LEASE_SECONDS, TAKEOVER_SECONDS, Trial

START_SECONDS = 80
"""These processes are not forked from one that has imported everything."""


class WrongClock:
    """libfaketime, and the file that says by how much it is wrong."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._file = folder / "clock"
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """Everybody who uses it is so far from now on."""
        self._file.write_text(f"{seconds:+d}\n")

    def is_believed(self) -> bool:
        self.jump(10_000_000)
        said = subprocess.run(
            [sys.executable, "-c", "import time; print(int(time.time()))"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        true = subprocess.run(["date", "+%s"], capture_output=True, text=True, check=True)
        self.jump(0)
        return said.returncode == 0 and int(said.stdout) - int(true.stdout) > 9_000_000


@pytest.fixture
def clock(folder: Path) -> WrongClock:
    found = importlib.util.find_spec("libfaketime")
    if found is None or found.origin is None:
        pytest.skip("libfaketime is not installed")
    library = Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    clock = WrongClock(library, folder)
    if not clock.is_believed():
        pytest.skip("libfaketime can't be loaded on this system")
    return clock


async def start(deployment: Deployment, clock: WrongClock, *arguments: str) -> Process:
    process = await execute(
        [arguments[0], *deployment.targets, *arguments[1:]],
        {**deployment.settings, **clock.environment},
        deployment.folder,
    )
    deployment.processes.append(process)
    return process


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(3600, id="an hour forward"), pytest.param(-3600, id="an hour back", marks=pytest.mark.long)],
)
async def test_clock_of_a_worker_jumps(trial: Trial, clock: WrongClock, seconds: int) -> None:
    trial.lease_seconds = 300  # no heartbeat comes to the rescue of one who believes the clock
    await trial.start(workers=1)
    wrong = await start(trial.deployment, clock, "worker", "--health-port", "0")
    await wrong.until(lambda: wrong.logged("worker_started"), "it starts", START_SECONDS)
    await trial.begin()
    affected = await trial.until_running(3, wrong)
    clock.jump(seconds)
    trial.broke(affected)
    await trial.until_tasks_end(15)
    evidence = await trial.judge(within=TAKEOVER_SECONDS)
    assert not wrong.logged("lease_lost")
    assert trial.outcome is not None
    assert trial.outcome.repeated_calls == 0
    assert {task.attempt for task in evidence.stored.values()} == {1}


@pytest.mark.long
async def test_clock_jumps_back_and_then_postgres_is_lost(trial: Trial, clock: WrongClock) -> None:
    """By its wall clock the worker's lease lasts for another hour; it must not act for that long."""
    proxy, url = await trial.proxied_database()
    await trial.start(workers=1)
    trial.deployment.settings["ROADWORTHY_DATABASE_URL"] = url
    wrong = await start(trial.deployment, clock, "worker", "--health-port", "0")
    await wrong.until(lambda: wrong.logged("worker_started"), "it starts", START_SECONDS)
    await trial.begin()
    affected = await trial.until_running(4, wrong)
    clock.jump(-3600)
    proxy.black_hole()
    trial.broke(affected)
    await trial.until_taken_over(affected)
    await trial.until_tasks_end(10)
    proxy.heal()
    await wrong.until_logged("lease_lost")
    await trial.judge(within=LEASE_SECONDS + TAKEOVER_SECONDS)


@pytest.mark.long
@pytest.mark.parametrize("seconds", [pytest.param(3600, id="an hour forward"), pytest.param(-3600, id="an hour back")])
async def test_clock_of_an_api_jumps(trial: Trial, clock: WrongClock, seconds: int) -> None:
    await trial.start(apis=1)
    wrong: Api = await trial.deployment.api_of(await start(trial.deployment, clock, "api", "--port", "0"))
    await trial.begin()
    trial.broke(trial.streams_at(wrong), for_clients=True)
    clock.jump(seconds)
    await trial.until_tasks_end(15)
    evidence = await trial.judge(within=TAKEOVER_SECONDS)
    assert {task.attempt for task in evidence.stored.values()} == {1}


@pytest.mark.long
@pytest.mark.parametrize("seconds", [pytest.param(3600, id="an hour forward"), pytest.param(-3600, id="an hour back")])
async def test_clock_of_upkeep_jumps(trial: Trial, clock: WrongClock, seconds: int) -> None:
    await trial.start(upkeeps=0)
    upkeep = await execute(["upkeep"], {**trial.deployment.settings, **clock.environment}, trial.deployment.folder)
    trial.deployment.processes.append(upkeep)
    await upkeep.until(lambda: upkeep.logged("upkeep_started"), "it starts", START_SECONDS)
    await trial.begin()
    trial.broke(await trial.running())
    clock.jump(seconds)
    await trial.until_tasks_end(15)
    evidence = await trial.judge(within=TAKEOVER_SECONDS)
    assert {task.attempt for task in evidence.stored.values()} == {1}
