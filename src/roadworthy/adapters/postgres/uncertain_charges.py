"""Gives uncertain charges their real cost, and the difference back to the budgets, in the transaction of its caller."""

from __future__ import annotations

from collections.abc import Sequence

from roadworthy.adapters.postgres import rows
from roadworthy.adapters.postgres.pool import Transaction
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.domain.budget import ChargeSettlement
from roadworthy.ports.budget_accounts import Charge


class UncertainCharges:
    def __init__(self) -> None:
        self._queries = load_queries("uncertain_charges")

    async def settle(
        self, transaction: Transaction, settlements: Sequence[ChargeSettlement], *, holder_knows: bool
    ) -> list[Charge]:
        """The charges that were uncertain, as they are now. A holder that knows counts for itself while it lives."""
        ids = [each.charge_id for each in settlements]
        await transaction.fetch(self._queries["lock_slices"], ids)
        settled = await transaction.fetch(self._queries["settle"], *settlement_values(settlements), not holder_knows)
        return [rows.charge(row) for row in settled]


def settlement_values(settlements: Sequence[ChargeSettlement]) -> tuple[object, ...]:
    """Columns, as the statements that settle charges take them."""
    settlements = [each.keepable for each in settlements]
    return (
        [each.charge_id for each in settlements],
        [each.cost for each in settlements],
        [each.input_tokens for each in settlements],
        [each.output_tokens for each in settlements],
        [each.cache_read_tokens for each in settlements],
    )
