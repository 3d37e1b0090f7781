"""Runs the duties. Any number of these may run at the same time: each turn is claimed by one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import structlog

from roadworthy.core.outage import Outage
from roadworthy.core.upkeep.announce_budget_alerts import AnnounceBudgetAlerts
from roadworthy.core.upkeep.duty import Duty, UpkeepPorts
from roadworthy.core.upkeep.expire_tasks import ExpireTasks
from roadworthy.core.upkeep.explain_unserved_lanes import ExplainUnservedLanes
from roadworthy.core.upkeep.forget_late_replies import ForgetLateReplies
from roadworthy.core.upkeep.refill_tickets import RefillTickets
from roadworthy.core.upkeep.release_blocked_tasks import ReleaseBlockedTasks
from roadworthy.core.upkeep.release_due_tasks import ReleaseDueTasks
from roadworthy.core.upkeep.release_parked_tasks import ReleaseParkedTasks
from roadworthy.core.upkeep.rescue_expired_leases import RescueExpiredLeases
from roadworthy.core.upkeep.settle_lost_charges import SettleLostCharges
from roadworthy.domain.budget import BudgetLimits
from roadworthy.domain.errors import StoreUnavailable
from roadworthy.ports.duty_schedule import DutySchedule
from roadworthy.ports.similar_replies import SimilarReplies

ROUTINE = frozenset({"refill_tickets", "release_due_tasks"})
"""Duties that have something to do every few seconds on any day."""

NO_BUDGETS = BudgetLimits()

log = structlog.get_logger()


def all_duties(
    lease_seconds: float,
    max_retries: int,
    budgets: BudgetLimits = NO_BUDGETS,
    similar_replies: SimilarReplies | None = None,
) -> tuple[Duty, ...]:
    """Those that there is a use for."""
    announcing = (AnnounceBudgetAlerts(budgets),) if budgets.are_set else ()
    forgetting = () if similar_replies is None else (ForgetLateReplies(similar_replies),)
    return (
        RescueExpiredLeases(lease_seconds, max_retries),
        ReleaseDueTasks(),
        ReleaseBlockedTasks(),
        ExpireTasks(),
        ReleaseParkedTasks(),
        RefillTickets(),
        ExplainUnservedLanes(),
        SettleLostCharges(),
        *announcing,
        *forgetting,
    )


class Upkeep:
    """Claims turns of duties and runs them until `stop`."""

    def __init__(
        self, duties: Sequence[Duty], schedule: DutySchedule, ports: UpkeepPorts, pause_seconds: float
    ) -> None:
        self._duties = duties
        self._schedule = schedule
        self._ports = ports
        self._pause_seconds = pause_seconds
        self._outage = Outage("duty_failed")
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        if not self._loops:
            self._loops = [asyncio.create_task(self._repeat(duty)) for duty in self._duties]

    async def stop(self) -> None:
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        self._loops = []

    async def run_once(self, duty: Duty) -> int | None:
        """Run the duty if it is due and no other process has its turn; returns what it did, None if it did not."""
        turn = await self._schedule.claim_turn(duty.name, duty.every_seconds, self._pause_seconds)
        if turn is None:
            return None
        done = await duty.run_once(self._ports, turn)
        if done:
            say = log.debug if duty.name in ROUTINE else log.info
            say("duty_done", duty=duty.name, count=done)
        return done

    async def _repeat(self, duty: Duty) -> None:
        while True:
            try:
                await self.run_once(duty)
                self._outage.is_over(duty.name)
            except StoreUnavailable as error:
                self._outage.goes_on(error.message, duty.name, duty=duty.name)
            except Exception:
                log.exception("duty_crashed", duty=duty.name)
            await asyncio.sleep(duty.every_seconds * (0.9 + random.random() / 5))  # noqa: S311
