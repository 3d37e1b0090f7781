"""What somebody's tasks have cost, by day, agent or model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from roadworthy.domain.principal import Principal
from roadworthy.ports.budget_accounts import BudgetAccounts

UsageBy = Literal["day", "agent", "model"]
USAGE_BY: tuple[UsageBy, ...] = get_args(UsageBy)
MOST_DAYS = 366

COUNTED = ("cost", "uncertain", "input_tokens", "output_tokens", "cache_read_tokens", "calls")


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Money in micro-dollars."""

    lines: Sequence[Mapping[str, Any]]
    total: Mapping[str, int]
    """Of what is counted in every line."""


class UsageReader:
    def __init__(self, accounts: BudgetAccounts) -> None:
        self._accounts = accounts

    async def report(self, principal: Principal, by: UsageBy, days: int) -> UsageReport:
        """Of the principal's own calls, today and the days before in UTC, `days` in all. StoreUnavailable."""
        lines = await self._accounts.usage(principal, by, days)
        return UsageReport(lines, {name: sum(line[name] for line in lines) for name in COUNTED})
