"""What operators may ask about money: how full budgets are, which alerts there were, and the ledger's lines."""

from __future__ import annotations

from collections.abc import Sequence

from roadworthy.core.insight.page import Page, cursor_after, id_of_cursor
from roadworthy.domain.budget import BudgetLimits, ChargeState
from roadworthy.domain.ids import TaskId
from roadworthy.domain.principal import Principal, check_operator
from roadworthy.ports.budget_accounts import Alert, BudgetAccounts, Charge, Standing


class Budgets:
    """Every method raises NotAllowed without the scope `operator`, and StoreUnavailable."""

    def __init__(self, accounts: BudgetAccounts, limits: BudgetLimits) -> None:
        self._accounts = accounts
        self.limits = limits

    async def standings(self, operator: Principal, most: int) -> Sequence[Standing]:
        """Of the budgets out of which something was spent or reserved in their window: the fullest first."""
        check_operator(operator)
        return await self._accounts.standings(self.limits, most)

    async def alerts(self, operator: Principal, most: int) -> Sequence[Alert]:
        """Newest first."""
        check_operator(operator)
        return await self._accounts.alerts(most)

    async def charges(
        self,
        operator: Principal,
        state: ChargeState | None,
        task_id: TaskId | None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Charge]:
        """Newest first. IllegalCursor for a cursor that no page gave."""
        check_operator(operator)
        before = None if cursor is None else id_of_cursor(cursor)
        charges = await self._accounts.charges(state=state, task_id=task_id, before=before, most=limit)
        return Page(charges, cursor_after(charges[-1].id) if len(charges) == limit else None)
