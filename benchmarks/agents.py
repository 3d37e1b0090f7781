"""The workloads as pydantic-ai agents, as users have them."""

from __future__ import annotations

import os

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from benchmarks.provider_client import PROVIDER_URL
from benchmarks.workload import DOLLARS, MODELS, lookup
from roadworthy import AgentService, Price, ToolPolicy


def _service(name: str, model: str) -> AgentService:
    provider = OpenAIProvider(base_url=os.environ[PROVIDER_URL], api_key="none")
    agent = Agent(OpenAIChatModel(model, provider=provider), tools=[lookup])
    tools = {"lookup": ToolPolicy(effect="read")}
    return AgentService(agent, name=name, version="agent", tools=tools, prices={model: Price(**DOLLARS)})


services = [_service(name, model) for name, model in MODELS.items()]
