"""How a model that cannot call tools is brought to call them, with a scripted model in its place."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from examples.support.tool_calling import ToolCallingModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.messages import ModelMessage, ModelResponse, PartDeltaEvent, TextPart, ToolCallPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.function import AgentInfo, FunctionModel

CALL = json.dumps({"function": "find_order", "arguments": {"order_id": "KM-1042"}})


class ScriptedModel(FunctionModel):
    """Writes `call` when it is held to a schema, otherwise `words`; keeps what it was asked."""

    def __init__(self, call: str = CALL, words: tuple[str, ...] = ("It ", "is ", "packed.")) -> None:
        self.call, self.words = call, words
        self.prompts: list[str] = []
        self.schemas: list[dict[str, Any]] = []
        super().__init__(self._write, stream_function=self._stream, profile={"supports_json_schema_output": True})

    def _write(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self._keep(messages, info.model_request_parameters)
        held = info.model_request_parameters.output_mode == "native"
        return ModelResponse(parts=[TextPart(self.call if held else "".join(self.words))])

    async def _stream(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        self._keep(messages, info.model_request_parameters)
        for word in self.words:
            yield word

    def _keep(self, messages: list[ModelMessage], parameters: ModelRequestParameters) -> None:
        self.prompts.append("\n".join(str(getattr(part, "content", "")) for part in messages[-1].parts))
        if parameters.output_object:
            self.schemas.append(parameters.output_object.json_schema)
        assert not parameters.function_tools, "this size is never shown tools in the provider's own form"


def agent_with(model: ScriptedModel) -> Agent:
    agent = Agent(ToolCallingModel(model), instructions="Be long-winded.")

    @agent.tool_plain
    def find_order(order_id: str) -> str:
        """Where an order is."""
        return f"{order_id} is packed"

    return agent


async def test_a_call_is_asked_for_first_and_a_sentence_about_its_result_then() -> None:
    model = ScriptedModel()
    result = await agent_with(model).run("Where is KM-1042?")
    assert result.output == "It is packed."
    calls = [part for message in result.all_messages() for part in message.parts if part.part_kind == "tool-call"]
    assert [(call.tool_name, call.args) for call in calls] == [("find_order", {"order_id": "KM-1042"})]
    assert len(model.schemas) == 1
    assert model.prompts[1].endswith("KM-1042 is packed")


async def test_the_schema_holds_the_model_to_one_function_and_to_quotes() -> None:
    model = ScriptedModel()
    await agent_with(model).run("Where is KM-1042?")
    (call,) = model.schemas[0]["anyOf"]
    assert call["properties"]["function"] == {"const": "find_order"}
    assert "KM-1042" in call["properties"]["arguments"]["properties"]["order_id"]["enum"]


async def test_the_sentence_streams_and_the_call_comes_whole() -> None:
    agent = agent_with(ScriptedModel())
    deltas: list[int] = []
    async with agent.iter("Where is KM-1042?") as run:
        async for node in run:
            if Agent.is_model_request_node(node):
                async with node.stream(run.ctx) as stream:
                    deltas.append(len([event async for event in stream if isinstance(event, PartDeltaEvent)]))
    assert run.result is not None and run.result.output == "It is packed."
    assert deltas[0] <= 1 < deltas[1]


async def test_usage_of_the_wrapped_model_is_kept() -> None:
    result = await agent_with(ScriptedModel()).run("Where is KM-1042?")
    assert result.usage.requests == 2
    assert result.usage.output_tokens > 0


async def test_the_next_question_is_answered_with_a_call_of_its_own() -> None:
    agent = agent_with(ScriptedModel())
    first = await agent.run("Where is KM-1042?")
    second = await agent.run("Where is it now?", message_history=first.all_messages())
    assert [part for message in second.new_messages() for part in message.parts if isinstance(part, ToolCallPart)]


async def test_without_tools_it_just_answers() -> None:
    model = ScriptedModel(words=("Hello.",))
    result = await Agent(ToolCallingModel(model)).run("Hi")
    assert result.output == "Hello." and not model.schemas


async def test_a_call_that_was_cut_off_is_an_error_of_the_model() -> None:
    with pytest.raises(UnexpectedModelBehavior, match="did not finish"):
        await agent_with(ScriptedModel(call='{"function": "find_')).run("Where is KM-1042?")
