"""What the gates of one worker share: money, breakers, caches, routes and prices."""

from __future__ import annotations

from dataclasses import dataclass, field

from roadworthy.core.model_gateway.breakers import ModelBreakers
from roadworthy.core.model_gateway.counters import GatewayCounters
from roadworthy.core.model_gateway.missing_usage import MissingUsage
from roadworthy.core.model_gateway.prices import PriceBook
from roadworthy.core.model_gateway.reply_caches import ReplyCaches
from roadworthy.core.model_gateway.routes import Routes
from roadworthy.core.money.money import Money


@dataclass(frozen=True)
class ModelGateway:
    """One a worker. Without arguments: no budgets, no caches, breakers of this process alone."""

    money: Money = field(default_factory=Money.none)
    breakers: ModelBreakers = field(default_factory=ModelBreakers)
    caches: ReplyCaches = field(default_factory=ReplyCaches.off)
    routes: Routes = field(default_factory=Routes)
    price_book: PriceBook = field(default_factory=PriceBook)
    counters: GatewayCounters = field(default_factory=GatewayCounters)
    missing_usage: MissingUsage = field(default_factory=MissingUsage)
