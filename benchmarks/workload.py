"""The three kinds of task, by the name that they are served under and the simulated model that makes them so."""

from __future__ import annotations

TOKENS_PER_SECOND = 50
TOKENS = 250

MODELS = {
    "two-calls": "sim-tools1-tokens8",
    "two-slow-calls": "sim-tools1-tokens8-latency1000",
    "stream": f"sim-stamp-rate{TOKENS_PER_SECOND}-tokens{TOKENS}",
    "quick-stream": f"sim-stamp-tokens{TOKENS}",
}
DOLLARS = {"input": "0.25", "output": "2"}
"""What a simulated model is said to cost, for a million tokens."""
STREAMED = frozenset({"stream", "quick-stream"})


async def lookup(city: str) -> str:
    """Look a city up."""
    return f"sunny in {city}"
