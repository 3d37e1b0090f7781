"""An agent whose replies also answer questions that mean the same; with so large a budget it learns within a minute."""

from __future__ import annotations

import os

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from roadworthy import AgentService, CachePolicy, Price

PROVIDER = os.environ["ACCEPTANCE_PROVIDER"]

_model = OpenAIChatModel("sim", provider=OpenAIProvider(base_url=f"{PROVIDER}/v1", api_key="unused"))
service = AgentService(
    Agent(_model),
    name="faq",
    cache=CachePolicy(exact=False, semantic=True, error_budget=0.45),
    prices={"sim": Price("0.25", "2")},
)
