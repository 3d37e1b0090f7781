"""The workloads as pydantic-ai agents, as users have them."""

from __future__ import annotations

import os

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from benchmarks.provider_client import PROVIDER_URL
from benchmarks.workload import MODELS, lookup
from roadworthy import AgentService, ToolPolicy


def _service(name: str, model: str) -> AgentService:
    provider = OpenAIProvider(base_url=os.environ[PROVIDER_URL], api_key="none")
    agent = Agent(OpenAIChatModel(model, provider=provider), tools=[lookup])
    return AgentService(agent, name=name, version="agent", tools={"lookup": ToolPolicy(effect="read")})


services = [_service(name, model) for name, model in MODELS.items()]
