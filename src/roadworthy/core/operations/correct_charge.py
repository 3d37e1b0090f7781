"""Gives a charge that nobody is certain of its real cost, as an operator found it on the provider's bill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from roadworthy.core.operations.resume_order import check_fields, note_in
from roadworthy.domain.errors import InvalidRequest, NotFound
from roadworthy.domain.ids import new_id
from roadworthy.domain.money import MicroDollars, dollars, micro_dollars
from roadworthy.domain.operator_action import ActionKind, ActionTarget, OperatorAction
from roadworthy.domain.principal import Principal, check_operator
from roadworthy.ports.budget_accounts import BudgetAccounts, Charge

MOST_COST_USD = 10_000
"""Of one call: more can only be a slip of the pen, and would close budgets."""
_MOST_DIGITS = 20
_NO_AMOUNT = f"cost_usd must be an amount in dollars from 0 to {MOST_COST_USD:,}, like '0.0123'"


@dataclass(frozen=True, slots=True)
class Correction:
    cost: MicroDollars
    note: str | None = None


def read_correction(body: Mapping[str, Any]) -> Correction:
    """The correction in a decoded JSON object; InvalidRequest, naming the field."""
    check_fields(body, ("cost_usd", "note"))
    return Correction(_cost(body.get("cost_usd")), note_in(body))


def _cost(given: object) -> MicroDollars:
    try:
        if isinstance(given, bool) or not isinstance(given, str | int | float) or len(str(given)) > _MOST_DIGITS:
            raise ValueError
        if not Decimal(str(given)) <= MOST_COST_USD:
            raise ValueError
        return micro_dollars(given)
    except (ValueError, ArithmeticError):
        raise InvalidRequest(_NO_AMOUNT) from None


class CorrectCharge:
    def __init__(self, accounts: BudgetAccounts) -> None:
        self._accounts = accounts

    async def correct(self, operator: Principal, charge_id: UUID, correction: Correction) -> Charge:
        """The charge as it is then; what it cost less is there to be spent again.

        Raises NotAllowed without the scope `operator`, NotFound, NotUncertain and StoreUnavailable.
        """
        check_operator(operator)
        target = ActionTarget({"charge_id": str(charge_id), "cost_usd": dollars(correction.cost)})
        # The store gives the record its time, and the task.
        action = OperatorAction(new_id(), 0, operator, ActionKind.CORRECT_CHARGE, target, correction.note)
        charge = await self._accounts.correct(charge_id, correction.cost, action)
        if charge is None:
            raise NotFound("there is no charge of that id; `roadworthy budget charges` shows them")
        return charge
