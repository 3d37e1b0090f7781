"""Agents whose replies are used again: for the user who asked, or for all of the tenant."""

from __future__ import annotations

import os

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from roadworthy import AgentService, CachePolicy, Price

PROVIDER = os.environ["ACCEPTANCE_PROVIDER"]

_model = OpenAIChatModel("sim", provider=OpenAIProvider(base_url=f"{PROVIDER}/v1", api_key="unused"))
_policies = {"own": CachePolicy(), "shared": CachePolicy(shared_by="tenant"), "uncached": None}
services = [
    AgentService(Agent(_model, name=name), name=name, cache=policy, prices={"sim": Price("0.25", "2")})
    for name, policy in _policies.items()
]
