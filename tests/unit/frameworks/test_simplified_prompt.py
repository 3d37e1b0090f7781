"""The last resort's shorter request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic_ai.messages import (
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition
from structlog.testing import capture_logs

from roadworthy.frameworks.pydantic_ai.simplified_prompt import (
    ALL_RESULTS_CHARACTERS,
    RESULT_CHARACTERS,
    SimplifiedPrompt,
)

TOOLS = ModelRequestParameters(
    function_tools=[ToolDefinition(name="find_order")], output_tools=[ToolDefinition(name="answer")]
)
NO_TOOLS = "Nothing more can be looked up now: answer as well as you can with what is here."


def conversation(*results: tuple[str, Any], question: Any = "Where is order 17?") -> list[ModelMessage]:
    messages: list[ModelMessage] = [
        ModelRequest([SystemPromptPart("You help."), UserPromptPart("Hello."), UserPromptPart("Are you there?")]),
        ModelResponse([ToolCallPart("find_order", {"id": 1}, "old")]),
        ModelRequest([ToolReturnPart("find_order", "an older result", "old")]),
        ModelResponse([TextPart("Hello!")]),
        ModelRequest([UserPromptPart(question)], instructions="Be short."),
    ]
    for number, (tool, result) in enumerate(results):
        messages.append(ModelResponse([ToolCallPart(tool, {}, f"call{number}")]))
        messages.append(ModelRequest([ToolReturnPart(tool, result, f"call{number}")]))
    return messages


def simplified(messages: Sequence[ModelMessage], **options: Any) -> tuple[list[ModelMessage], ModelRequestParameters]:
    return SimplifiedPrompt(**options).of(messages, TOOLS)


def prompt_of(messages: Sequence[ModelMessage]) -> Any:
    (prompt,) = [part.content for part in messages[-1].parts if isinstance(part, UserPromptPart)]
    return prompt


def test_instructions_the_newest_question_and_what_tools_have_answered_since_are_left():
    messages, parameters = simplified(conversation(("find_order", {"state": "sent"}), ("look_up", "in Rome")))
    (request,) = messages
    assert isinstance(request, ModelRequest)
    assert request.instructions == "Be short."
    assert [part.content for part in request.parts if isinstance(part, SystemPromptPart)] == ["You help."]
    assert prompt_of(messages) == (
        'Where is order 17?\n\nWhat was found out so far:\n- find_order: {"state":"sent"}\n- look_up: in Rome\n'
        + NO_TOOLS
    )
    assert parameters.function_tools == []
    assert [tool.name for tool in parameters.output_tools] == ["answer"]


def test_a_question_without_results_is_asked_as_it_is():
    assert prompt_of(simplified(conversation())[0]) == f"Where is order 17?\n\n{NO_TOOLS}"


def test_images_of_the_question_stay():
    image = ImageUrl("https://example.org/a.png")
    prompt = prompt_of(simplified(conversation(question=["What is this?", image]))[0])
    assert prompt == ["What is this?", image, NO_TOOLS]


def test_long_results_are_cut_and_the_newest_count():
    results = [("look", f"{number} " + "x" * 3000) for number in range(12)]
    prompt = prompt_of(simplified(conversation(*results))[0])
    lines = [line for line in prompt.splitlines() if line.startswith("- look")]
    assert lines[-1].startswith("- look: 11 x") and lines[-1].endswith("…")
    assert all(len(line) <= RESULT_CHARACTERS + len("- look: ") for line in lines)
    assert sum(len(line) for line in lines) <= ALL_RESULTS_CHARACTERS
    assert len(lines) == 5


def test_messages_without_a_question_are_left_as_they_are():
    messages: list[ModelMessage] = [ModelRequest([SystemPromptPart("Say something.")])]
    assert simplified(messages)[0] == messages


def test_a_service_may_have_a_rule_of_its_own():
    newest = simplified(conversation(("look", "x")), rule=lambda messages: messages[4:5])[0]
    assert prompt_of(newest) == "Where is order 17?"


def test_tools_stay_where_a_rule_leaves_calls_of_them():
    _, parameters = simplified(conversation(("look", "x")), rule=lambda messages: messages[4:])
    assert [tool.name for tool in parameters.function_tools] == ["find_order"]


def no_messages(messages: Sequence[Any]) -> Sequence[Any]:
    return []


def nonsense(messages: Sequence[Any]) -> Sequence[Any]:
    return ["nonsense"]


def ends_with_a_reply(messages: Sequence[Any]) -> Sequence[Any]:
    return messages[:2]


def raises(messages: Sequence[Any]) -> Sequence[Any]:
    raise KeyError("mine")


@pytest.mark.parametrize("rule", [no_messages, nonsense, ends_with_a_reply, raises])
def test_a_rule_that_fails_is_passed_over_and_named_once(rule: Any):
    prompts = SimplifiedPrompt(rule, "desk")
    with capture_logs() as logs:
        for _ in range(3):
            messages, _ = prompts.of(conversation(), TOOLS)
            assert prompt_of(messages).startswith("Where is order 17?\n\n")
    assert [(line["event"], line["service"]) for line in logs] == [("simplify_failed", "desk")]
