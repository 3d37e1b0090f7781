"""What the tool calls of one worker share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from roadworthy.core.breakers import TargetBreakers
from roadworthy.core.redactor import Redactor
from roadworthy.core.tool_gateway.bounds import Bounds
from roadworthy.core.tool_gateway.last_results import LastResults
from roadworthy.ports.sandbox import Sandbox


@dataclass(frozen=True)
class ToolGateway:
    """One a worker. Without arguments: breakers of this process alone, no results kept, no sandbox."""

    lease_seconds: float = 30
    """Of a worker: for so long after its start a call may begin late, where its process was stopped in between."""
    redactor: Redactor = field(default_factory=Redactor)
    """Of the secrets that the worker's settings and environment hold."""
    sandbox: Sandbox | None = None
    """Where code of a model runs; whoever made it closes it."""
    bounds: Bounds = field(default_factory=Bounds)
    breakers: TargetBreakers = field(default_factory=TargetBreakers)
    last_results: LastResults = field(default_factory=LastResults)
    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter[tuple[str, str, str]])
    """By agent, tool and outcome: one of `domain/effect.py`, or the class of a failure that the model was not told."""
