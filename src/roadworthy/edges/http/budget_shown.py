"""Budgets, alerts and charges as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roadworthy.core.insight.usage import COUNTED, UsageReport
from roadworthy.domain.budget import Budget, BudgetLimits, BudgetScope
from roadworthy.domain.money import MicroDollars, dollars
from roadworthy.edges.http.shown import moment
from roadworthy.ports.budget_accounts import Alert, Charge, Standing

_MONEY = {"cost": "cost_usd", "uncertain": "uncertain_usd"}


def limits_shown(limits: BudgetLimits) -> dict[str, Any]:
    return {scope.value: _dollars_or_none(limits.of(scope)) for scope in BudgetScope}


def standing_shown(standing: Standing) -> dict[str, Any]:
    return {
        **_budget(standing.budget),
        "limit_usd": dollars(standing.limit),
        "spent_usd": dollars(standing.spent),
        "uncertain_usd": dollars(standing.uncertain),
        "reserved_usd": dollars(standing.reserved),
        "used_ratio": round(standing.used_ratio, 4),
        "used_up": standing.used_up,
        "seconds_left": round(standing.seconds_left, 3),
    }


def alert_shown(alert: Alert) -> dict[str, Any]:
    return {
        "kind": "budget",
        "at": moment(alert.at),
        **_budget(alert.budget),
        "window_start": alert.window_start,
        "percent": alert.percent,
        "limit_usd": dollars(alert.limit),
        "spent_usd": dollars(alert.spent),
    }


def charge_shown(charge: Charge) -> dict[str, Any]:
    path = f"/v1/operator/charges/{charge.id}"
    return {
        "id": str(charge.id),
        "at": moment(charge.at),
        "state": charge.state.value,
        "estimate_usd": dollars(charge.estimate),
        "cost_usd": _dollars_or_none(charge.cost),
        "task_id": str(charge.task_id),
        "attempt": charge.attempt,
        "key": charge.key,
        "tenant": charge.principal.tenant,
        "user": charge.principal.user,
        "agent": charge.agent,
        "version": charge.version,
        "model": charge.model,
        "links": {"correct": f"{path}/correct", "task": f"/v1/tasks/{charge.task_id}"},
    }


def usage_shown(report: UsageReport, by: str, days: int) -> dict[str, Any]:
    lines = [{by: str(line[by]), **_counted(line)} for line in report.lines]
    return {"by": by, "days": days, "usage": lines, "total": _counted(report.total)}


def _counted(line: Mapping[str, Any]) -> dict[str, Any]:
    return {_MONEY.get(name, name): dollars(line[name]) if name in _MONEY else line[name] for name in COUNTED}


def _budget(budget: Budget) -> dict[str, Any]:
    return {"scope": budget.scope.value, "tenant": budget.tenant or None, "user": budget.user or None}


def _dollars_or_none(amount: MicroDollars | None) -> str | None:
    return None if amount is None else dollars(amount)
