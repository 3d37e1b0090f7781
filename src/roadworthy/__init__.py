"""Roadworthy runs the LLM agent you already have for thousands of users."""

from roadworthy.core.model_gateway.routing.rules import RuleRouter
from roadworthy.core.model_gateway.routing.trained import TrainedRouter
from roadworthy.core.remaining import Remaining, remaining
from roadworthy.domain.cache_policy import CachePolicy
from roadworthy.domain.limits import Limits
from roadworthy.domain.price import Price
from roadworthy.domain.route import RouteRequest
from roadworthy.domain.service import AgentService, ModelTiers, ToolPolicy

__all__ = [
    "AgentService",
    "CachePolicy",
    "Limits",
    "ModelTiers",
    "Price",
    "Remaining",
    "RouteRequest",
    "RuleRouter",
    "ToolPolicy",
    "TrainedRouter",
    "remaining",
]
__version__ = "0.1.0"
