"""How full the fullest budget of each scope is, for everybody in this process who asks again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from roadworthy.domain.budget import BudgetLimits, BudgetScope
from roadworthy.ports.budget_accounts import BudgetAccounts
from roadworthy.ports.clock import Clock

KEPT_SECONDS = 2.0
_CANDIDATES = 20
"""The store's order is by what is spent and reserved; what is reserved comes and goes."""


class BudgetUse:
    """Asks the store at most every two seconds, and never where no budgets are set."""

    def __init__(self, accounts: BudgetAccounts, limits: BudgetLimits, clock: Clock) -> None:
        self._accounts = accounts
        self._limits = limits
        self._clock = clock
        self._asking = asyncio.Lock()
        self._ratios: Mapping[BudgetScope, float] = {}
        self._kept_until = float("-inf")

    async def look(self) -> Mapping[BudgetScope, float]:
        """Spent money over the limit, by scope; StoreUnavailable rather than an old answer."""
        async with self._asking:
            asked = self._clock.monotonic()
            if asked >= self._kept_until:
                scopes = [scope for scope in BudgetScope if self._limits.of(scope) is not None]
                self._ratios = {scope: await self._fullest(scope) for scope in scopes}
                self._kept_until = asked + KEPT_SECONDS
            return self._ratios

    async def _fullest(self, scope: BudgetScope) -> float:
        standings = await self._accounts.standings(self._limits.only(scope), _CANDIDATES)
        return max((each.used_ratio for each in standings), default=0)
