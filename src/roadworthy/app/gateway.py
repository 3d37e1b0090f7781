"""Puts together what the gates of one worker share."""

from __future__ import annotations

import os
from collections.abc import Mapping

from roadworthy.app.caches import new_caches
from roadworthy.app.known_secrets import known_secrets
from roadworthy.app.sandbox import new_sandbox
from roadworthy.app.settings import Settings
from roadworthy.app.stores import Stores
from roadworthy.core.execution.run_attempt import Served
from roadworthy.core.model_gateway.breakers import ModelBreakers
from roadworthy.core.model_gateway.counters import GatewayCounters
from roadworthy.core.model_gateway.gateway import ModelGateway
from roadworthy.core.model_gateway.prices import PriceBook
from roadworthy.core.redactor import Redactor
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.core.tool_gateway.last_results import LastResults


def new_tool_gateway(settings: Settings, stores: Stores, gateway: ModelGateway) -> ToolGateway:
    """Of one worker, whose breakers are those of its models, too."""
    return ToolGateway(
        lease_seconds=settings.lease_seconds,
        redactor=Redactor(known_secrets(settings, os.environ)),
        breakers=gateway.breakers,
        last_results=LastResults(stores.cache),
        sandbox=new_sandbox(settings),
    )


def new_gateway(stores: Stores, served: Mapping[str, Served], settings: Settings, book: PriceBook) -> ModelGateway:
    """The worker that it is given to closes it."""
    counters = GatewayCounters()
    return ModelGateway(
        breakers=ModelBreakers(stores.breakers, settings.circuit_breaker_threshold, settings.circuit_breaker_seconds),
        caches=new_caches(stores, served, settings, counters),
        price_book=book,
        counters=counters,
    )
