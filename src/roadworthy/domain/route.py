"""How hard a request is, and who says so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeGuard

Tier = Literal["simple", "moderate", "complex"]
TIERS: tuple[Tier, ...] = ("simple", "moderate", "complex")
"""From the cheapest to the most able."""

SAFE_TIER: Tier = "moderate"
"""Where nobody can say: neither the dearest models for everything, nor the weakest for what is hard."""

RoutedBy = Literal["metadata", "session", "rules", "trained", "router", "router_failed"]
"""Who chose the tier: the task's metadata, an earlier task of the session, or a router (`router`: the service's)."""


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """What a router may look at: the first message of a session and whom it is from."""

    text: str
    metadata: Mapping[str, Any]
    tenant: str
    user: str
    agent: str
    version: str


class Router(Protocol):
    """Chooses the tier of a session. It may be `async`; one that raises or takes a second or more is passed over."""

    def route(self, request: RouteRequest) -> Tier | Awaitable[Tier]: ...


RouteFunction = Callable[[RouteRequest], Tier | Awaitable[Tier]]


def is_tier(value: object) -> TypeGuard[Tier]:
    return isinstance(value, str) and value in TIERS
