"""What people and upkeep ask of the ledger, from PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Literal
from uuid import UUID

from roadworthy.adapters.postgres import rows
from roadworthy.adapters.postgres.action_record import ActionRecord
from roadworthy.adapters.postgres.failures import translated
from roadworthy.adapters.postgres.pool import Pool
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.adapters.postgres.rows import Row
from roadworthy.adapters.postgres.uncertain_charges import UncertainCharges
from roadworthy.domain.budget import (
    USED_UP_SHARE,
    Budget,
    BudgetLimits,
    BudgetScope,
    ChargeSettlement,
    ChargeState,
    is_used_up,
)
from roadworthy.domain.ids import TaskId
from roadworthy.domain.money import MicroDollars, dollars
from roadworthy.domain.operator_action import OperatorAction
from roadworthy.domain.principal import Principal, check_operator
from roadworthy.ports.budget_accounts import ALERTS, Alert, Charge, Standing

SETTLING_SECONDS: Final = 60.0
"""How long a worker that lives may take to say what became of a call."""
CLOSING_SECONDS: Final = 3600.0
"""How long after midnight the slices of the day before are closed."""
MOST_ALERTS: Final = 500
MOST_LOST: Final = 500
MOST_CLOSED: Final = 2000


class PostgresBudgetAccounts:
    """A `BudgetAccounts`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("budget_accounts")
        self._uncertain = UncertainCharges()
        self._actions = ActionRecord()

    @translated
    async def standings(self, limits: BudgetLimits, most: int = 100) -> list[Standing]:
        return [_standing(row) for row in await self._pool.fetch(self._queries["standings"], *_columns(limits), most)]

    @translated
    async def used_up(self, limits: BudgetLimits) -> list[Standing]:
        refused = await self._pool.fetch(self._queries["refused"], *_columns(limits))
        return [standing for row in refused if (standing := _standing(row)).used_up]

    @translated
    async def new_alerts(self, limits: BudgetLimits) -> list[Alert]:
        new = await self._pool.fetch(
            self._queries["new_alerts"], *_columns(limits), list(ALERTS), USED_UP_SHARE, MOST_ALERTS
        )
        return [_alert(row) for row in new]

    @translated
    async def alerts(self, most: int = 100) -> list[Alert]:
        return [_alert(row) for row in await self._pool.fetch(self._queries["alerts"], most)]

    @translated
    async def settle_lost(self) -> int:
        lost = await self._pool.fetch(self._queries["lost_charges"], SETTLING_SECONDS, MOST_LOST)
        await self._pool.fetch(self._queries["end_overdue_leases"], SETTLING_SECONDS)
        async with self._pool.transaction() as transaction:
            ended = await transaction.fetch(self._queries["lock_ended_slices"], CLOSING_SECONDS, MOST_CLOSED)
            if ended:
                await transaction.fetch(self._queries["close_slices"], *map(list, zip(*ended, strict=True)))
        return len(lost) + len(ended)

    @translated
    async def charges(
        self,
        *,
        state: ChargeState | None = None,
        task_id: TaskId | None = None,
        before: UUID | None = None,
        most: int = 50,
    ) -> list[Charge]:
        if task_id is not None:
            found = await self._pool.fetch(self._queries["charges_of_task"], before, most, state, task_id)
        elif state in (ChargeState.OPEN, ChargeState.UNCERTAIN):
            found = await self._pool.fetch(self._queries["charges_unsettled"], before, most, state)
        else:
            found = await self._pool.fetch(self._queries["charges"], before, most, state)
        return [rows.charge(row) for row in found]

    @translated
    async def correct(self, charge_id: UUID, cost: MicroDollars, action: OperatorAction) -> Charge | None:
        check_operator(action.operator)
        correction = ChargeSettlement(charge_id, cost)
        async with self._pool.transaction() as transaction:
            corrected = await self._uncertain.settle(transaction, [correction], holder_knows=False)
            if not corrected:
                for row in await transaction.fetch(self._queries["find_charge"], charge_id):
                    raise rows.charge(row).not_uncertain()
                return None
            (charge,) = corrected
            detail = dict(action.target.detail) | {"estimate_usd": dollars(charge.estimate)}
            target = replace(action.target, detail=detail, task_id=charge.task_id)
            await self._actions.write(transaction, action.operator, action.kind, [target], action.note)
        return charge

    @translated
    async def usage(
        self, principal: Principal, by: Literal["day", "agent", "model"], days: int
    ) -> list[dict[str, Any]]:
        used = await self._pool.fetch(self._queries["usage"], principal.tenant, principal.user, by, days)
        names = (by, "cost", "uncertain", "input_tokens", "output_tokens", "cache_read_tokens", "calls")
        return [dict(zip(names, row, strict=True)) for row in used]


def _columns(limits: BudgetLimits) -> tuple[Sequence[str], Sequence[MicroDollars]]:
    """Scopes and limits of those that there are."""
    known = [(scope.value, limit) for scope in BudgetScope if (limit := limits.of(scope)) is not None]
    return [scope for scope, _ in known], [limit for _, limit in known]


def _standing(row: Row) -> Standing:
    scope, tenant, owner, limit, given, spent, refused_limit, seconds_left, uncertain = row
    return Standing(
        budget=Budget(BudgetScope(scope), tenant, owner),
        limit=limit,
        spent=spent,
        reserved=given - spent,
        uncertain=uncertain,
        used_up=is_used_up(limit, given, spent, refused_limit),
        seconds_left=seconds_left,
    )


def _alert(row: Row) -> Alert:
    scope, tenant, owner, percent, window_start, at, limit, spent = row
    budget = Budget(BudgetScope(scope), tenant, owner)
    return Alert(budget, percent, window_start.isoformat(), at.timestamp(), limit, spent)
