"""An agent with a chain of models at two providers, as users declare it: by names."""

from __future__ import annotations

import os

from pydantic_ai import Agent

from roadworthy import AgentService, Limits, ModelTiers, Price, ToolPolicy

os.environ["OPENAI_BASE_URL"] = f"{os.environ['ACCEPTANCE_PROVIDER']}/v1"
os.environ["ANTHROPIC_BASE_URL"] = os.environ["ACCEPTANCE_PROVIDER"]
for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
    os.environ[name] = "unused"

CHAIN = ("openai-chat:sim-tools1-first", "openai-chat:sim-tools1-second", "anthropic:sim-tools1-third")
FALLBACK = "I can't look that up right now."

agent = Agent(CHAIN[0], name="storm", model_settings={"max_tokens": 200})


@agent.tool_plain
async def look_up(item: str) -> str:
    return f"{item} is in stock"


service = AgentService(
    agent,
    name="storm",
    limits=Limits(step_seconds=25, first_token_seconds=8, total_seconds=170, cost_usd="1"),
    models=ModelTiers(simple=CHAIN, moderate=CHAIN, complex=CHAIN),
    tools={"look_up": ToolPolicy(effect="read")},
    prices={name: Price(input="1", output="5") for name in CHAIN},
    fallback_answer=FALLBACK,
)
