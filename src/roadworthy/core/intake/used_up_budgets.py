"""Knows which budgets are used up, so that nobody is promised an answer that could not be paid for."""

from __future__ import annotations

import asyncio

import structlog

from roadworthy.core.outage import Outage
from roadworthy.domain.budget import Budget, BudgetLimits, used_up
from roadworthy.domain.errors import OutOfBudget, StoreUnavailable
from roadworthy.domain.principal import Principal
from roadworthy.ports.budget_accounts import BudgetAccounts
from roadworthy.ports.clock import Clock

FRESH_SECONDS = 1.0
"""What is known for longer is asked again, behind the back of those who submit."""
STALE_SECONDS = 1.0
"""After so much more, in which nobody submitted, the first one waits for the answer."""
WAIT_SECONDS = 0.5
"""At most: then the task is taken. Whether it may spend is decided before each call in any case."""
LARGEST_SHARE = 0.05
"""Of the time that one process may keep the store busy with this: thousands of users may have used up their day."""

log = structlog.get_logger()


class UsedUpBudgets:
    """Asks the store at most once a second, and only while tasks are submitted."""

    def __init__(self, accounts: BudgetAccounts, limits: BudgetLimits, clock: Clock) -> None:
        self._accounts = accounts
        self._limits = limits
        self._are_set = limits.are_set
        self._clock = clock
        self._used_up_until: dict[Budget, float] = {}
        """By the monotonic clock of this process."""
        self._asked_at = float("-inf")
        self._fresh_seconds = FRESH_SECONDS
        self._asking: asyncio.Task[None] | None = None
        self._outage = Outage("budgets_not_known", clock=clock.monotonic)

    async def check(self, principal: Principal) -> None:
        """OutOfBudget if a budget that covers the principal is used up.

        Takes no time while there are many who ask. Whoever can't be told for certain may submit.
        """
        if not self._are_set:
            return
        age = self._clock.monotonic() - self._asked_at
        if age >= self._fresh_seconds:
            asking = self._ask_once()
            # Nobody is turned away for what was so a while ago: an operator may have corrected a charge.
            stale = age >= self._fresh_seconds + STALE_SECONDS
            if (stale or self._refusal(principal)) and not await _ended(asking):
                return
        if refusal := self._refusal(principal):
            raise refusal

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _refusal(self, principal: Principal) -> OutOfBudget | None:
        """For the budget that opens last."""
        if not self._used_up_until:
            return None
        now = self._clock.monotonic()
        closed = [
            (until - now, budget, limit)
            for budget, limit in self._limits.covering(principal)
            if (until := self._used_up_until.get(budget, now)) > now
        ]
        if not closed:
            return None
        seconds_left, budget, limit = max(closed, key=lambda each: each[0])
        return OutOfBudget(used_up(budget, limit, seconds_left), retry_after=seconds_left)

    def _ask_once(self) -> asyncio.Task[None]:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return self._asking

    async def _ask(self) -> None:
        asked_at = self._clock.monotonic()
        try:
            standings = await self._accounts.used_up(self._limits)
        except StoreUnavailable as error:
            self._outage.goes_on(error.message)
            standings = []
        except Exception:
            log.exception("budgets_not_known")
            standings = []
        else:
            self._outage.is_over()
        now = self._clock.monotonic()
        self._used_up_until = {each.budget: now + each.seconds_left for each in standings}
        self._asked_at = asked_at
        self._fresh_seconds = max(FRESH_SECONDS, (now - asked_at) / LARGEST_SHARE)


async def _ended(asking: asyncio.Task[None]) -> bool:
    await asyncio.wait({asking}, timeout=WAIT_SECONDS)
    return asking.done()
