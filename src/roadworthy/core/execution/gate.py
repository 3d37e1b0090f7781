"""What a framework runs an agent under."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from roadworthy.core.attempt import Attempt
from roadworthy.core.model_gateway.gateway import ModelGateway
from roadworthy.core.model_gateway.model_call import ModelCall, ModelReply, call_model
from roadworthy.core.scope import Scope
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.core.tool_gateway.offered_tools import OfferedTools
from roadworthy.core.tool_gateway.tool_call import ToolCall, ToolCalls, ToolReply
from roadworthy.domain.journal import JournalEntry
from roadworthy.domain.model_input import NamedModel
from roadworthy.domain.route import Tier
from roadworthy.domain.task import Task, Turn


class Gate:
    """Model and tool calls of one run of an agent; each is in the journal before its result is given out."""

    def __init__(
        self,
        attempt: Attempt,
        threads: Executor,
        gateway: ModelGateway,
        tool_gateway: ToolGateway,
        scope: Scope | None = None,
    ) -> None:
        self._attempt = attempt
        self._gateway = gateway
        self.tool_gateway = tool_gateway
        self._scope = scope or attempt.scope
        self.loop = asyncio.get_running_loop()
        self.threads = threads
        """For what an agent runs in threads: the only ones whose calls can be told when they never come back."""
        self.offered_tools = OfferedTools(attempt, self._scope)
        self._tools = ToolCalls(attempt, self._scope, self)

    @property
    def attempt(self) -> Attempt:
        return self._attempt

    @property
    def task(self) -> Task:
        return self._attempt.task

    @property
    def chain(self) -> tuple[str, ...]:
        """The models that its tier names, in the order in which they are asked; none where the service has no tiers."""
        models = self._attempt.service.models
        return models.chain(self.tier) if models is not None and not self._scope.within else ()

    @property
    def tier(self) -> Tier | None:
        """Whose models answer; None where the service has none to choose among."""
        return self._attempt.tier

    @property
    def within(self) -> str:
        """Empty for the task's own agent; else where in the journal this one runs."""
        return self._scope.within

    @property
    def step(self) -> int:
        """How many model calls were made so far."""
        return self._scope.steps

    async def model(self, do: Callable[[ModelCall], Awaitable[ModelReply]], *, is_asked_again: bool = False) -> bytes:
        self._attempt.check_wait()
        return await call_model(self._attempt, self._scope, self._gateway, do, is_asked_again=is_asked_again)

    def took_last_reply(self) -> None:
        """The agent came to its end with it."""
        self._attempt.on_trial.taken(self._scope.within)

    def rejected_last_reply(self) -> None:
        """The agent failed at it."""
        self._attempt.on_trial.rejected(self._scope.within)

    async def tool(self, call: ToolCall, do: Callable[[], Awaitable[ToolReply]]) -> bytes:
        return await self._tools.call(call, do)

    def inner(self, scope: Scope) -> Gate:
        """The gate of an agent that this one runs."""
        return Gate(self._attempt, self.threads, self._gateway, self.tool_gateway, scope)


@dataclass(frozen=True, slots=True)
class Start:
    """What a run begins with: the same for every attempt."""

    input: str
    history: Sequence[Turn]
    at: float
    """Seconds since 1970 when the task was first loaded."""


@dataclass(frozen=True, slots=True)
class Finished:
    """An agent came to its end."""

    output: bytes
    """JSON."""
    turn: Turn


class Runner(Protocol):
    """Somebody's agent, ready to be run under the gate in this process."""

    framework: str
    code: str
    """A digest of the agent's code, as far as it can be seen."""
    own_models: Sequence[NamedModel]
    """The models of its service's tiers, else those that the agent calls by itself, as far as that can be seen."""

    async def run(self, gate: Gate, start: Start) -> Finished:
        """Run the agent once, from its start, with the journal answering what was done before."""
        ...

    def unfinished_turn(self, input: str, entries: Sequence[JournalEntry]) -> Turn:
        """The messages of a task that ended early; calls that never came back are answered by saying so."""
        ...
