"""An agent whose answers cost a fifth of a dollar each, and three fifths at most. What it is asked costs nothing."""

import os

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from roadworthy import AgentService, Limits, Price

TOKENS, MOST_TOKENS = 200, 600
MICRO_DOLLARS_A_TOKEN = 1000
MODEL = f"sim-money-tokens{TOKENS}-latency100"

_provider = OpenAIProvider(base_url=f"{os.environ['ACCEPTANCE_PROVIDER']}/v1", api_key="unused")

service = AgentService(
    Agent(OpenAIChatModel(MODEL, provider=_provider), model_settings={"max_tokens": MOST_TOKENS}),
    name="dear",
    limits=Limits(cost_usd="5"),
    prices={MODEL: Price(input="0", output=str(MICRO_DOLLARS_A_TOKEN))},
)
