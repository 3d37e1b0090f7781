"""Roadworthy runs the LLM agent you already have for thousands of users."""

from roadworthy.core.current_call import current_call
from roadworthy.core.model_gateway.routing.rules import RuleRouter
from roadworthy.core.model_gateway.routing.trained import TrainedRouter
from roadworthy.core.remaining import Remaining, remaining
from roadworthy.domain.cache_policy import CachePolicy
from roadworthy.domain.effect import Done, NotDone, StartedCall
from roadworthy.domain.limits import Limits
from roadworthy.domain.price import Price
from roadworthy.domain.route import RouteRequest
from roadworthy.domain.service import AgentService, ModelTiers, ToolPolicy

__all__ = [
    "AgentService",
    "CachePolicy",
    "Done",
    "Limits",
    "ModelTiers",
    "NotDone",
    "Price",
    "Remaining",
    "RouteRequest",
    "RuleRouter",
    "StartedCall",
    "ToolPolicy",
    "TrainedRouter",
    "current_call",
    "remaining",
]
__version__ = "0.1.0"
