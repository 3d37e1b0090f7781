"""Budgets, alerts and charges as text."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from roadworthy.domain.budget import BudgetScope, duration_in_words
from roadworthy.domain.money import dollars, micro_dollars
from roadworthy.edges.cli.table import ago, columns

_BAR = 20
_BLOCKS, _ASCII = "█▒░", "#+."
_SETTINGS = {
    BudgetScope.USER_DAY: "ROADWORTHY_BUDGET_PER_USER_DAY_USD",
    BudgetScope.TENANT_MONTH: "ROADWORTHY_BUDGET_PER_TENANT_MONTH_USD",
    BudgetScope.GLOBAL_MONTH: "ROADWORTHY_BUDGET_GLOBAL_MONTH_USD",
}


def standing_lines(answer: Mapping[str, Any], url: str | None = None) -> list[str]:
    """`url` is what the commands in it have to repeat."""
    limits: Mapping[str, str | None] = answer["limits_usd"]
    budgets: Sequence[Mapping[str, Any]] = answer["budgets"]
    if not any(limits.values()):
        names = ", ".join(_SETTINGS.values())
        return [f"no budgets are set: tasks are held by their own limits alone; set {names} and start the server anew"]
    if not budgets:
        return [f"nothing was spent yet of {_limits(limits)}"]
    head = ("BUDGET", "USED", "", "SPENT", "RESERVED", "LIMIT", "NEXT WINDOW IN")
    blocks = _blocks()
    lines = columns([head, *(_standing_row(each, blocks) for each in budgets)], right=range(2, 6))
    if closed := [each for each in budgets if each["used_up"]]:
        lines += ["", f"used up, new tasks are refused: {', '.join(_name(each) for each in closed)}"]
    if any(micro_dollars(each["uncertain_usd"]) for each in budgets):
        told = (
            f"what nobody knows for certain counts as spent; see: roadworthy budget charges --state uncertain{at(url)}"
        )
        lines += ["", *(_uncertain(each) for each in budgets if micro_dollars(each["uncertain_usd"])), told]
    return lines


def charge_lines(page: Mapping[str, Any], url: str | None = None) -> list[str]:
    charges: Sequence[Mapping[str, Any]] = page["charges"]
    if not charges:
        return ["there is no such charge"]
    head = ("ID", "MADE", "STATE", "COST", "ESTIMATE", "MODEL", "AGENT", "USER", "TASK", "CALL")
    lines = columns([head, *map(_charge_row, charges)], right=(3, 4))
    if any(each["state"] == "uncertain" for each in charges):
        lines += ["", f"when the provider's bill has the cost: roadworthy budget correct ID --cost 0.0123{at(url)}"]
    if page["next_cursor"] is not None:
        lines += ["", f"more: --cursor {page['next_cursor']}"]
    return lines


def corrected_lines(charge: Mapping[str, Any]) -> list[str]:
    less = micro_dollars(charge["estimate_usd"]) - micro_dollars(charge["cost_usd"])
    back = f"${dollars(less)} may be spent again" if less >= 0 else f"that is ${dollars(-less)} more"
    return [
        f"charge {charge['id']} is {charge['state']} at ${charge['cost_usd']}; it counted as "
        f"${charge['estimate_usd']}, {back}"
    ]


def alert_lines(answer: Mapping[str, Any]) -> list[str]:
    alerts: Sequence[Mapping[str, Any]] = answer["alerts"]
    if not alerts:
        return ["there were no alerts: of no budget was half spent"]
    rows = [
        (
            ago(each["at"]),
            _name(each),
            f"{each['percent']} %",
            f"${each['spent_usd']}",
            f"${each['limit_usd']}",
            each["window_start"],
        )
        for each in alerts
    ]
    return columns([("WHEN", "BUDGET", "REACHED", "SPENT", "LIMIT", "WINDOW FROM"), *rows], right=(2, 3, 4))


def at(url: str | None) -> str:
    return "" if url is None else f" --url {url}"


def _standing_row(standing: Mapping[str, Any], blocks: str) -> tuple[object, ...]:
    ratio: float = standing["used_ratio"]
    return (
        _name(standing),
        _bar(standing, blocks),
        f"{int(ratio * 100)} %",
        f"${standing['spent_usd']}",
        f"${standing['reserved_usd']}",
        f"${standing['limit_usd']}",
        duration_in_words(standing["seconds_left"]),
    )


def _bar(standing: Mapping[str, Any], blocks: str) -> str:
    """Spent, then reserved. Full only where all of it is gone."""
    full, half, empty = blocks
    limit, spent, reserved = (micro_dollars(standing[name]) for name in ("limit_usd", "spent_usd", "reserved_usd"))
    gone = min(spent * _BAR // limit, _BAR)
    held = min((spent + reserved) * _BAR // limit, _BAR) - gone
    return full * gone + half * held + empty * (_BAR - gone - held)


def _blocks() -> str:
    try:
        _BLOCKS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _ASCII
    return _BLOCKS


def _uncertain(standing: Mapping[str, Any]) -> str:
    return f"{_name(standing)}: ${standing['uncertain_usd']} of ${standing['spent_usd']} is uncertain"


def _charge_row(charge: Mapping[str, Any]) -> tuple[str, ...]:
    cost = charge["cost_usd"]
    return (
        charge["id"],
        ago(charge["at"]),
        charge["state"],
        "" if cost is None else f"${cost}",
        f"${charge['estimate_usd']}",
        charge["model"],
        f"{charge['agent']}@{charge['version']}",
        f"{charge['tenant']}/{charge['user']}",
        charge["task_id"],
        charge["key"],
    )


def _name(budget: Mapping[str, Any]) -> str:
    """Whose it is; users of two tenants may have the same name."""
    match BudgetScope(budget["scope"]):
        case BudgetScope.USER_DAY:
            return f"day of {budget['tenant']}/{budget['user']}"
        case BudgetScope.TENANT_MONTH:
            return f"month of {budget['tenant']}"
        case BudgetScope.GLOBAL_MONTH:
            return "month of everybody"


def _limits(limits: Mapping[str, str | None]) -> str:
    named = {
        "user_day": "for each user and day",
        "tenant_month": "for each tenant and month",
        "global_month": "for everybody and a month",
    }
    return ", ".join(f"${limit} {named[scope]}" for scope, limit in limits.items() if limit is not None)
