"""Tells the log when half of a budget is spent, four fifths, and all of it: once each, whatever process says it."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from roadworthy.core.upkeep.duty import UpkeepPorts
from roadworthy.domain.budget import BudgetLimits
from roadworthy.domain.money import dollars
from roadworthy.ports.budget_accounts import ALERTS, Alert
from roadworthy.ports.duty_schedule import DutyTurn

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AnnounceBudgetAlerts:
    limits: BudgetLimits
    name: str = "announce_budget_alerts"
    every_seconds: float = 5.0

    async def run_once(self, ports: UpkeepPorts, turn: DutyTurn) -> int:
        # They are in the store before anybody is told: if this process dies now they are still on the operators' list.
        alerts = await ports.accounts.new_alerts(self.limits)
        for alert in alerts:
            _tell(alert)
        return len(alerts)


def _tell(alert: Alert) -> None:
    budget, say = alert.budget, log.warning
    reason = f"{alert.percent} % of {budget} is spent"
    if alert.percent >= ALERTS[-1]:
        say = log.error
        reason = f"{budget} is used up: new tasks get 402 until the next {budget.window} in UTC"
    say(
        "budget_alert",
        scope=budget.scope.value,
        tenant=budget.tenant or None,
        user=budget.user or None,
        percent=alert.percent,
        limit=dollars(alert.limit),
        spent=dollars(alert.spent),
        window_start=alert.window_start,
        reason=reason,
    )
