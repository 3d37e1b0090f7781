"""Runs one pydantic-ai agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_ai.agent import AbstractAgent
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.usage import UsageLimits
from pydantic_core import to_json

from roadworthy.core.execution.gate import Finished, Gate, Start
from roadworthy.domain.journal import EntryKind, JournalEntry, within
from roadworthy.domain.model_input import NamedModel
from roadworthy.domain.service import AgentService
from roadworthy.domain.task import Turn
from roadworthy.frameworks.code_digest import code_digest
from roadworthy.frameworks.function import messages_of
from roadworthy.frameworks.pydantic_ai.errors import run_failure
from roadworthy.frameworks.pydantic_ai.gate_capability import GateCapability
from roadworthy.frameworks.pydantic_ai.gated_model import RESPONSE
from roadworthy.frameworks.pydantic_ai.service_models import ServiceModels
from roadworthy.frameworks.pydantic_ai.transport import ProviderTransport

FRAMEWORK = "pydantic_ai"
NOT_FINISHED = "This call had not come back when the task ended; it is not known whether it happened."
NOT_ALLOWED = "This call was not made: it waited for a person, who had not decided about it when the task ended."
_NO_LIMIT = UsageLimits(request_limit=None)
transport = ProviderTransport()
"""Of all models of this process."""


class PydanticAIRunner:
    """Runs one service whose agent is a pydantic-ai Agent."""

    framework = FRAMEWORK

    def __init__(self, service: AgentService) -> None:
        self._agent: AbstractAgent[Any, Any] = service.agent
        self._models = ServiceModels(service, transport)
        self.own_models: Sequence[NamedModel] = self._models.billed()
        self.code = code_digest(_code_of(self._agent))

    @staticmethod
    def serves(agent: Any) -> bool:
        return isinstance(agent, AbstractAgent)

    async def run(self, gate: Gate, start: Start) -> Finished:
        try:
            with AbstractAgent.using_thread_executor(gate.threads):
                result = await self._agent.run(
                    start.input,
                    run_id=str(gate.task.id),
                    conversation_id=str(gate.task.session_id),
                    message_history=[message for turn in start.history for message in _messages(turn)],
                    model=self._models.first(gate.tier),
                    usage_limits=_NO_LIMIT,
                    capabilities=[GateCapability(gate, self._models)],
                )
        except Exception as error:
            if (failed := run_failure(error)) is None:
                raise
            raise failed from error
        return Finished(to_json(result.output), Turn(FRAMEWORK, result.new_messages_json()))

    def unfinished_turn(self, input: str, entries: Sequence[JournalEntry]) -> Turn:
        messages: list[ModelMessage] = [ModelRequest([UserPromptPart(input)])]
        own = [entry for entry in entries if not within(entry)]
        # Of others nobody knows here whether they were allowed, and then made.
        asked = (entry for entry in own if entry.kind is EntryKind.ASKED and entry.detail["effect"] == "once")
        words = {_call_of(entry): NOT_ALLOWED for entry in asked}
        words |= {_call_of(entry): NOT_FINISHED for entry in own if entry.kind is EntryKind.STARTED}
        results = words | {_call_of(entry): entry.detail["result"] for entry in own if entry.kind is EntryKind.TOOL}
        for entry in own:
            if entry.kind is not EntryKind.MODEL:
                continue
            response = RESPONSE.validate_json(entry.payload)
            messages.append(response)
            step = entry.detail["step"]
            if answers := [
                ToolReturnPart(call.tool_name, results.get((step, call.tool_call_id), NOT_FINISHED), call.tool_call_id)
                for call in response.tool_calls
            ]:
                messages.append(ModelRequest(answers))
        if isinstance(messages[-1], ModelRequest):
            messages.append(ModelResponse([TextPart("(The task ended here, before there was an answer.)")]))
        return Turn(FRAMEWORK, ModelMessagesTypeAdapter.dump_json(messages))


def _call_of(entry: JournalEntry) -> tuple[int, str]:
    return entry.detail["step"], entry.detail["call_id"]


def _messages(turn: Turn) -> list[ModelMessage]:
    if turn.framework == FRAMEWORK:
        return ModelMessagesTypeAdapter.validate_json(turn.payload)
    return [
        ModelRequest([UserPromptPart(str(said["content"]))])
        if said["role"] == "user"
        else ModelResponse([TextPart(str(said["content"]))])
        for said in messages_of(turn)
    ]


def _code_of(agent: AbstractAgent[Any, Any]) -> list[Any]:
    parts: list[Any] = [agent.name]
    for toolset in agent.toolsets:
        tools: dict[str, Any] = getattr(toolset, "tools", {})
        parts += [tool.function for _, tool in sorted(tools.items()) if hasattr(tool, "function")]
    return parts
