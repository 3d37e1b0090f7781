"""Which tools a small model is offered, and with which arguments."""

from typing import Any

import pytest
from examples.support.conversation import Conversation
from examples.support.service import agent
from examples.support.tool_choice import LONGEST_QUOTE, choices
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.test import TestModel
from pydantic_ai.tools import ToolDefinition


@pytest.fixture
async def tools() -> list[ToolDefinition]:
    model = TestModel(call_tools=[])
    await agent.run("hello", model=model)
    assert model.last_model_request_parameters
    return model.last_model_request_parameters.function_tools


def offered(conversation: Conversation, tools: list[ToolDefinition]) -> dict[str, dict[str, Any]]:
    """Tool to the schemas of its arguments."""
    return {
        choice.tool: choice.schema["properties"]["arguments"]["properties"] for choice in choices(conversation, tools)
    }


@pytest.mark.parametrize(
    ("question", "tool"),
    [
        ("Where is my order KM-1042?", "find_order"),
        ("When will BT-2210 arrive?", "find_order"),
        ("Please refund order LD-1177, the cup was broken.", "refund_order"),
        ("Can you change the address of BT-2210 to 4 Hill Street?", "change_address"),
        ("How long does delivery take?", "search_help"),
        ("What have I ordered? I am ada@example.com", "list_orders"),
    ],
)
async def test_words_and_identifiers_choose(question: str, tool: str, tools: list[ToolDefinition]) -> None:
    assert list(offered(Conversation(question), tools)) == [tool]


async def test_identifiers_are_those_of_the_question(tools: list[ToolDefinition]) -> None:
    question = Conversation("Where is KM-1042, and where is BT-2210?", earlier=("LD-1177",))
    assert offered(question, tools)["find_order"]["order_id"]["enum"] == ["KM-1042", "BT-2210"]


async def test_it_means_what_was_spoken_of_last(tools: list[ToolDefinition]) -> None:
    question = Conversation("Please refund it", earlier=("KM-1042 is packed", "Where is BT-2210?"))
    assert offered(question, tools)["refund_order"]["order_id"]["enum"] == ["KM-1042"]


async def test_thanks_never_touch_the_order_spoken_of(tools: list[ToolDefinition]) -> None:
    assert list(offered(Conversation("Thanks a lot!", earlier=("KM-1042",)), tools)) == ["search_help"]


async def test_free_text_quotes_the_customer(tools: list[ToolDefinition]) -> None:
    question = "Please send KM-1042 to 12 Mill Lane, Oakford instead. " + "I moved to a new house. " * 10
    quotes = offered(Conversation(question), tools)["change_address"]["address"]["enum"]
    assert "12 Mill Lane, Oakford" in quotes
    assert max(len(quote.split()) for quote in quotes) == LONGEST_QUOTE
    assert len(quotes) < 800


def test_a_conversation_is_read_from_the_history() -> None:
    history = [
        ModelRequest(parts=[UserPromptPart("Where is KM-1042?")]),
        ModelRequest(parts=[ToolReturnPart("find_order", "packed", "c1")]),
        ModelResponse(parts=[TextPart("It is packed.")]),
        ModelRequest(parts=[UserPromptPart(["Please", "refund it"])]),
        ModelRequest(parts=[ToolReturnPart("refund_order", "done", "c2")]),
    ]
    assert Conversation.of(history) == Conversation(
        "Please refund it", tool_results=("done",), earlier=("packed", "Where is KM-1042?")
    )
