"""Roadworthy runs the LLM agent you already have for thousands of users."""

from roadworthy.domain.limits import Limits
from roadworthy.domain.service import AgentService, ModelTiers, ToolPolicy

__all__ = ["AgentService", "Limits", "ModelTiers", "ToolPolicy"]
__version__ = "0.1.0"
