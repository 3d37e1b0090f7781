"""Puts every model and tool call of a pydantic-ai run through the gate: one capability, passed per run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic_ai.capabilities import AbstractCapability, CapabilityOrdering
from pydantic_ai.exceptions import (
    ApprovalRequired,
    CallDeferred,
    ModelRetry,
    ToolFailed,
    ToolFailedError,
    ToolRetryError,
    UnexpectedModelBehavior,
)
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models import ModelRequestContext
from pydantic_ai.output import OutputContext
from pydantic_ai.run import AgentRunResult
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, RunContext, ToolDefinition
from pydantic_ai.toolsets import AbstractToolset

from roadworthy.core.execution.gate import Gate
from roadworthy.core.model_gateway.model_call import ModelCall, ModelReply
from roadworthy.core.tool_gateway.tool_call import ToolCall, ToolReply
from roadworthy.domain.decision import About
from roadworthy.domain.errors import ArgumentsRefused, RequestRefused, TooMuchReceived
from roadworthy.frameworks.error_class import tool_failure
from roadworthy.frameworks.json_arguments import given_by_model
from roadworthy.frameworks.pydantic_ai.decided_call import asked_by_tool, is_plain_function, validated_arguments
from roadworthy.frameworks.pydantic_ai.errors import model_call_failure
from roadworthy.frameworks.pydantic_ai.gated_model import RESPONSE, GatedModel
from roadworthy.frameworks.pydantic_ai.mcp_tools import with_mcp_under_gate
from roadworthy.frameworks.pydantic_ai.model_request import asking
from roadworthy.frameworks.pydantic_ai.service_models import Chain, ServiceModels
from roadworthy.frameworks.pydantic_ai.simplified_prompt import SimplifiedPrompt
from roadworthy.frameworks.pydantic_ai.tool_result import (
    decode_result,
    encode_answer,
    encode_failed,
    encode_result,
    encode_retry,
)

_BY_DEFAULT = SimplifiedPrompt()


class GateCapability(AbstractCapability[Any]):
    """Outermost: what other capabilities do happens inside, and is not done again in a replay."""

    def __init__(self, gate: Gate, models: ServiceModels | None = None) -> None:
        """`models` are those of the service; agents that its tools run have their own model only."""
        self._gate = gate
        self._tier: Chain = {} if models is None else models.chain(gate.tier)
        self._simplified_prompt = _BY_DEFAULT if models is None else models.simplified_prompt

    def get_ordering(self) -> CapabilityOrdering:
        return CapabilityOrdering(position="outermost")

    def get_wrapper_toolset(self, toolset: AbstractToolset[Any]) -> AbstractToolset[Any]:
        return with_mcp_under_gate(toolset, self._gate)

    async def wrap_model_request(
        self, ctx: RunContext[Any], *, request_context: ModelRequestContext, handler: Any
    ) -> ModelResponse:
        fresh: list[ModelResponse] = []
        asks = asking(ctx, request_context)

        async def do(call: ModelCall) -> ModelReply:
            model = GatedModel(request_context.model, call, self._tier, self._simplified_prompt, asks)
            try:
                response = await handler(replace(request_context, model=model))
            except Exception as error:
                if model.failed is not None and error in (model.failed, model.failed.__cause__):
                    raise model.failed  # noqa: B904
                if (failed := model_call_failure(error, model.model_name)) is None:
                    raise
                raise failed from error
            fresh.append(response)
            return model.reply_for(response)

        payload = await self._gate.model(do, is_asked_again=asks.is_asked_again)
        return fresh[0] if fresh else RESPONSE.validate_json(payload)

    async def after_run(self, ctx: RunContext[Any], *, result: AgentRunResult[Any]) -> AgentRunResult[Any]:
        self._gate.took_last_reply()
        return result

    async def on_run_error(self, ctx: RunContext[Any], *, error: BaseException) -> AgentRunResult[Any]:
        if isinstance(error, UnexpectedModelBehavior):
            self._gate.rejected_last_reply()
        raise error

    async def wrap_tool_execute(
        self, ctx: RunContext[Any], *, call: ToolCallPart, tool_def: ToolDefinition, args: dict[str, Any], handler: Any
    ) -> Any:
        # A person is asked about whatever pydantic-ai would have somebody approve before it comes here.
        asks: About | None = "approval" if ctx.tool_call_approved else None
        validated = partial(validated_arguments, ctx, call.tool_name)
        return await self._through(
            call.tool_name,
            call.tool_call_id,
            args,
            handler,
            asks=asks,
            validated=validated,
            sent=call,
            runs_in_thread=is_plain_function(ctx, call.tool_name),
        )

    async def handle_deferred_tool_calls(
        self, ctx: RunContext[Any], *, requests: DeferredToolRequests
    ) -> DeferredToolResults:
        answers = await asyncio.gather(*(self._answer_of(call) for call in requests.calls))
        return DeferredToolResults(
            calls={call.tool_call_id: answer for call, answer in zip(requests.calls, answers, strict=True)},
            approvals={call.tool_call_id: True for call in requests.approvals},
        )

    async def _answer_of(self, call: ToolCallPart) -> Any:
        """What somebody else than the agent gives as the result of a call."""
        try:
            return await self._through(call.tool_name, call.tool_call_id, call.args_as_dict(), _nobody, asks="input")
        except (ToolFailed, ModelRetry) as told:
            return told

    async def wrap_output_process(
        self, ctx: RunContext[Any], *, output_context: OutputContext, output: Any, handler: Any
    ) -> Any:
        if not output_context.has_function or ctx.partial_output:
            return await handler(output)
        name = output_context.function_name or "output"
        call_id = output_context.tool_call.tool_call_id if output_context.tool_call else name
        sent = output_context.tool_call
        return await self._through(name, f"output:{call_id}", output, handler, is_output=True, sent=sent)

    async def _through(
        self,
        name: str,
        call_id: str,
        arguments: Any,
        run: Callable[[Any], Awaitable[Any]],
        *,
        is_output: bool = False,
        asks: About | None = None,
        validated: Callable[[Any], Awaitable[Any]] | None = None,
        sent: ToolCallPart | None = None,
        runs_in_thread: bool = False,
    ) -> Any:
        fresh: list[tuple[ToolReply, Any]] = []

        async def do(given: Any = arguments) -> ToolReply:
            try:
                result = await run(given)
                reply = encode_result(name, result)
            except (ToolRetryError, ModelRetry) as error:
                if _is_late(error) and self._gate.attempt.service.policy(name).effect == "once":
                    # The tool has not said that: it may have happened, and the model would ask for it again.
                    raise TimeoutError(str(error)) from error
                result, reply = error, encode_retry(error)
            except (ToolFailedError, ToolFailed) as error:
                result, reply = error, encode_failed(error)
            except (ApprovalRequired, CallDeferred) as error:
                raise asked_by_tool(name, error) from error
            except (RequestRefused, TooMuchReceived) as error:
                if self._gate.attempt.service.policy(name).effect == "once":
                    # The tool may have done something else before.
                    raise
                result = ToolFailed(error.message)
                reply = encode_failed(result)
            except Exception as error:
                if (failed := tool_failure(error, name)) is None:
                    raise
                raise failed from error
            if not reply.is_mended:
                fresh.append((reply, result))
            return reply

        async def with_arguments(given: Any) -> Callable[[], Awaitable[ToolReply]]:
            if validated is None:
                raise ArgumentsRefused("what an agent answers with can't be changed")
            return partial(do, await validated(given))

        call = ToolCall(
            name,
            call_id,
            given_by_model(arguments, None if sent is None else sent.args_as_dict),
            is_output=is_output,
            runs_in_thread=runs_in_thread,
            answer=partial(encode_answer, name),
            with_arguments=with_arguments,
            asks=asks,
            as_allowed=ApprovalRequired,
        )
        payload = await self._gate.tool(call, do)
        # What the agent gets may be another one than the tool gave back.
        if not (fresh and fresh[-1][0].payload is payload):
            return decode_result(payload)
        if isinstance(fresh[-1][1], ToolRetryError | ModelRetry | ToolFailedError | ToolFailed):
            raise fresh[-1][1]
        return fresh[-1][1]


def _is_late(error: Exception) -> bool:
    """Whether it comes of a time limit: one of pydantic-ai's own, which it tells the model as if the tool had."""
    told = error.__cause__ if isinstance(error, ToolRetryError) else error
    return told is not None and isinstance(told.__context__, TimeoutError)


async def _nobody(_: Any) -> Any:
    raise AssertionError("unreachable: a call that others answer is not made here")
