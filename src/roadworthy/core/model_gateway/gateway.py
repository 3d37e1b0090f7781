"""What the gates of one worker share: money, breakers, caches, routes and prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from roadworthy.core.model_gateway.prices import PriceBook
from roadworthy.core.model_gateway.routes import Routes
from roadworthy.domain.budget import ChargeSettlement
from roadworthy.domain.money import MicroDollars


@dataclass(frozen=True)
class ModelGateway:
    """One a worker. Without arguments: no budgets, no caches, breakers of this process alone."""

    money: Any = field(default_factory=lambda: _NoMoney())
    breakers: Any = None
    caches: Any = None
    routes: Routes = field(default_factory=Routes)
    price_book: PriceBook = field(default_factory=PriceBook)


# Until core/money is there.


class _NoMoney:
    async def reserve(self, attempt: Any, prices: Any, model: str, input: Any, key: str) -> _NoReservation:
        return _NoReservation()


class _NoReservation:
    output_tokens: int | None = None

    def settlement(self, cost: MicroDollars, usage: Mapping[str, int]) -> ChargeSettlement:
        return ChargeSettlement(UUID(int=0), cost)

    async def settle(self, cost: MicroDollars, usage: Mapping[str, int]) -> None: ...

    def uncertain(self) -> None: ...
