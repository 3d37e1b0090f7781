"""Has agents that a tool or a function runs pass the gate too; otherwise they would spend unseen."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from pydantic_ai import Agent
from pydantic_ai.exceptions import UserError

from roadworthy.core.execution.gate import Gate
from roadworthy.core.scope import Surroundings, surroundings
from roadworthy.frameworks.pydantic_ai.gate_capability import GateCapability

log = structlog.get_logger()
_GUARDED = "__roadworthy_guarded__"


def guard_nested_agents(cheap: Callable[[Any], Any]) -> None:
    """Give each run of an agent that begins within a task the task's gate. Once for a process.

    pydantic-ai has no hook for runs that somebody else starts, so that the one place where all of them begin
    (`Agent.iter`) is wrapped. `cheap` puts a model on our transport, without the client's own retries.
    """
    begin: Any = Agent.iter
    if hasattr(begin, _GUARDED):
        return

    @functools.wraps(begin)
    def iter(self: Any, *args: Any, capabilities: Sequence[Any] | None = None, **named: Any) -> Any:
        around = surroundings.get()
        given = list(capabilities or ())
        if around is None or any(isinstance(one, GateCapability) for one in given) or not _is_ours(around, self):
            return begin(self, *args, capabilities=capabilities, **named)
        gate: Gate = around.gate.inner(around.inner())
        if (model := named.get("model") or self.model) is not None:
            named["model"] = _on_our_transport(model, cheap)
        if not named.get("message_history") and not named.get("conversation"):
            # The same in every attempt: with the call's id an idempotency key for whoever its tools call.
            named["run_id"] = named.get("run_id") or f"{gate.task.id}/{gate.within}"
        return begin(self, *args, capabilities=[*given, GateCapability(gate)], **named)

    setattr(iter, _GUARDED, True)
    Agent.iter = iter


def _is_ours(around: Surroundings, agent: Any) -> bool:
    """Whether it runs in the worker's event loop: `run_sync` in a tool's thread has a loop of its own."""
    if around.gate.loop is asyncio.get_running_loop():
        return True
    log.warning(
        "nested_agent_unseen",
        agent=agent.name,
        reason="it runs in a thread of its own (run_sync): its calls are neither journaled nor paid for by the task; "
        "await agent.run(…) in the loop of the task instead",
    )
    return False


def _on_our_transport(model: Any, cheap: Callable[[Any], Any]) -> Any:
    try:
        return cheap(model)
    except UserError:
        # Its own words for what is wrong with the model come in the run.
        return model
