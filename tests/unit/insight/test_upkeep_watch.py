"""A missing upkeep is told to the log: by whom, how often, and when it is over."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from roadworthy.core.insight.upkeep_watch import UpkeepWatch
from roadworthy.domain.errors import StoreUnavailable
from roadworthy.ports.duty_schedule import UPKEEP_MISSING_SECONDS
from roadworthy.testing.manual_clock import ManualClock


class Schedule:
    """Of a database that was made long ago."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.last_turn = clock.monotonic() - 86_400
        self.away = False

    async def seconds_since_any_turn(self) -> float:
        if self.away:
            raise StoreUnavailable
        return self._clock.monotonic() - self.last_turn


async def test_it_is_said_once_a_minute_and_once_when_it_is_over():
    clock = ManualClock()
    schedule = Schedule(clock)
    watch = UpkeepWatch(schedule, clock)  # type: ignore[arg-type]
    with capture_logs() as logs:
        for _ in range(15):
            await clock.advance(10)
            await watch.seconds()
        schedule.last_turn = clock.monotonic()
        await watch.seconds()
        await watch.seconds()
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [
        ("error", "no_upkeep_runs"),
        ("error", "no_upkeep_runs"),
        ("error", "no_upkeep_runs"),
        ("info", "upkeep_runs_again"),
    ]
    assert "start `roadworthy upkeep`" in logs[0]["reason"]


async def test_upkeep_that_starts_with_this_process_or_after_the_store_is_back_is_no_alarm():
    clock = ManualClock()
    schedule = Schedule(clock)
    watch = UpkeepWatch(schedule, clock)  # type: ignore[arg-type]
    with capture_logs() as logs:
        await clock.advance(UPKEEP_MISSING_SECONDS - 1)
        assert await watch.seconds() > 86_400
        schedule.away = True
        with pytest.raises(StoreUnavailable):
            await watch.seconds()
        schedule.away = False
        await clock.advance(UPKEEP_MISSING_SECONDS - 1)
        await watch.seconds()
        assert logs == []
        await clock.advance(1)
        await watch.seconds()
    assert [entry["event"] for entry in logs] == ["no_upkeep_runs"]


async def test_whoever_asks_whether_the_process_is_ready_lets_it_look():
    clock = ManualClock()
    asked: list[str] = []

    async def ping() -> None:
        asked.append("store")

    check = UpkeepWatch(Schedule(clock), clock).watched(ping)  # type: ignore[arg-type]
    await clock.advance(UPKEEP_MISSING_SECONDS)
    with capture_logs() as logs:
        await check()
    assert (asked, [entry["event"] for entry in logs]) == (["store"], ["no_upkeep_runs"])
