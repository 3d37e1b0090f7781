"""How somebody's agent is run under the gate."""

from __future__ import annotations

import sys

from roadworthy.core.execution.gate import Runner
from roadworthy.domain.errors import TargetNotLoadable
from roadworthy.domain.service import AgentService


def runner_for(service: AgentService) -> Runner:
    """The runner of the service's agent; TargetNotLoadable when it is neither an agent nor an async function."""
    if "pydantic_ai" in sys.modules:
        from roadworthy.frameworks.pydantic_ai.nested_agents import guard_nested_agents
        from roadworthy.frameworks.pydantic_ai.runner import PydanticAIRunner, transport

        # Also for a plain function, which may well run an agent.
        guard_nested_agents(transport.model)
        if PydanticAIRunner.serves(service.agent):
            return PydanticAIRunner(service)
    from roadworthy.frameworks.function import FunctionRunner

    if FunctionRunner.serves(service.agent):
        return FunctionRunner(service)
    raise TargetNotLoadable(
        f"service {service.name!r} has a {type(service.agent).__name__} as its agent; "
        "give it a pydantic-ai Agent or an `async def reply(ctx, message)`"
    )
