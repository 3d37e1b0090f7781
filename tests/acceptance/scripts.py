"""What the simulated model says."""

from __future__ import annotations

from typing import Any


def calls(*tools: str) -> dict[str, Any]:
    """A reply that calls these tools, each with an item of its own."""
    return {"tools": [{"name": tool, "arguments": {"item": f"item {i}"}} for i, tool in enumerate(tools, 1)]}


LONG = "one two three four five six seven eight"
