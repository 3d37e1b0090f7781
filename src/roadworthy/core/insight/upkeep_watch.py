"""Notices that no upkeep runs anywhere: lost tasks then stay `running`, and pauses before retries never end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from roadworthy.core.outage import Outage
from roadworthy.domain.errors import StoreUnavailable
from roadworthy.ports.clock import Clock
from roadworthy.ports.duty_schedule import UPKEEP_MISSING_SECONDS, DutySchedule

START_IT = "start `roadworthy upkeep`"


class UpkeepWatch:
    """Looks when it is asked, never by itself, and tells the log.

    Whatever starts while a whole installation does gives upkeep time to start as well, as does a store that is back.
    """

    def __init__(self, schedule: DutySchedule, clock: Clock) -> None:
        self._schedule = schedule
        self._clock = clock
        self._missing = Outage("no_upkeep_runs", "upkeep_runs_again", "error", clock.monotonic)
        self._answered_since = clock.monotonic()

    async def seconds(self) -> float:
        """Since any duty last ran, by the store's clock; StoreUnavailable."""
        try:
            seconds = await self._schedule.seconds_since_any_turn()
        except StoreUnavailable:
            self._answered_since = self._clock.monotonic()
            raise
        if seconds < UPKEEP_MISSING_SECONDS:
            self._missing.is_over()
        elif self._clock.monotonic() - self._answered_since >= UPKEEP_MISSING_SECONDS:
            self._missing.goes_on(
                f"no upkeep has run for {seconds:.0f} s: {START_IT}; until then lost tasks stay running and no pause "
                "before a retry ends"
            )
        return seconds

    def watched(self, check: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
        """The check, which somebody asks for now and then, and a look: that is an alarm, not the check's failure."""

        async def check_and_look() -> None:
            await check()
            await self.seconds()

        return check_and_look
