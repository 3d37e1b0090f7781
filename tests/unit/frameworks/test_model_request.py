"""What the gateway is told of a request of pydantic-ai."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic_ai.messages import (
    BinaryContent,
    CachePoint,
    CompactionPart,
    ImageUrl,
    InstructionPart,
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
from pydantic_ai.models.test import TestModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from roadworthy.core.model_gateway.token_estimate import BYTES_A_TOKEN, IMAGE_TOKENS
from roadworthy.domain.model_input import ModelInput
from roadworthy.frameworks.pydantic_ai.model_request import model_input

TOOL = ToolDefinition(name="look", description="Looks.", parameters_json_schema={"type": "object"})
MODEL = TestModel()


def told(messages: list[ModelMessage], settings: ModelSettings | None = None, **parameters: Any) -> ModelInput:
    return model_input(MODEL, "m", messages, settings, ModelRequestParameters(**parameters), streams=True)


def asked(question: Any = "Where?", *before: ModelMessage) -> list[ModelMessage]:
    return [*before, ModelRequest([UserPromptPart(question)])]


def with_call(call_id: str, result: str = "in Rome") -> list[ModelMessage]:
    return [
        ModelRequest([UserPromptPart("Where?")]),
        ModelResponse([ToolCallPart("look", {"at": "map"}, call_id)], timestamp=datetime.now(UTC)),
        ModelRequest([ToolReturnPart("look", result, call_id)]),
    ]


@pytest.mark.parametrize(
    ("settings", "question", "hour"),
    [
        (None, "Where?", False),
        ({"cache": True, "max_tokens": 5}, "Where?", False),
        ({"cache": "5m"}, ["Where?", CachePoint()], False),
        ({"cache": "1h"}, "Where?", True),
        ({"cache": {"retention": "1h"}}, "Where?", True),
        ({"anthropic_cache_instructions": "1h"}, "Where?", True),
        (None, ["Where?", CachePoint(ttl="1h")], True),
    ],
)
def test_it_knows_what_the_provider_is_to_keep_for_an_hour(settings: Any, question: Any, hour: bool):
    assert told(asked(question), settings).is_kept_for_an_hour is hour
    assert told([*asked(question), ModelResponse([TextPart("There.")]), *asked()], settings).is_kept_for_an_hour is hour


class TestQuestion:
    def test_it_is_the_newest_message_of_the_user(self):
        earlier = [*asked("Hello."), ModelResponse([TextPart("Hello!")])]
        assert told(asked("Where?", *earlier)).question == "Where?"

    def test_a_system_prompt_beside_it_is_no_part_of_it(self):
        assert told([ModelRequest([SystemPromptPart("Help."), UserPromptPart("Where?")])]).question == "Where?"

    @pytest.mark.parametrize(
        "messages",
        [
            with_call("a"),
            asked(["What is this?", ImageUrl("https://example.org/a.png")]),
            [ModelRequest([UserPromptPart("One."), UserPromptPart("Two.")])],
            [ModelRequest([SystemPromptPart("Say something.")])],
            [],
        ],
    )
    def test_where_it_is_not_the_newest_or_no_text_there_is_none(self, messages: list[ModelMessage]):
        assert told(messages).question == ""


class TestSurroundings:
    def test_they_do_not_hold_the_question(self):
        assert told(asked("Where?")).surroundings() == told(asked("When?")).surroundings()

    def test_ids_and_times_of_a_run_mean_nothing(self):
        here = with_call("call_1")
        there = with_call("call_2")
        there[0] = ModelRequest([UserPromptPart("Where?")], run_id="another", conversation_id="c")
        assert told(here).surroundings() == told(there).surroundings()

    @pytest.mark.parametrize(
        "other",
        [
            told(asked("Where?", *with_call("a"), ModelResponse([TextPart("There.")]))),
            told([ModelRequest([SystemPromptPart("Help."), UserPromptPart("Where?")])]),
            told(asked(), ModelSettings(temperature=0.5)),
            told(asked(), function_tools=[TOOL]),
            told(asked(), output_tools=[TOOL]),
            told(asked(), instruction_parts=[InstructionPart(content="Be short.")]),
            told(asked(), allow_text_output=False),
        ],
    )
    def test_everything_else_that_the_reply_depends_on_is_there(self, other: ModelInput):
        assert other.surroundings() != told(asked()).surroundings()

    @pytest.mark.parametrize(
        "change",
        [{"description": "Looks well."}, {"name": "look_up"}, {"parameters_json_schema": {"type": "string"}}],
    )
    def test_a_changed_tool_is_another_one(self, change: dict[str, Any]):
        before = told(asked(), function_tools=[TOOL]).surroundings()
        assert told(asked(), function_tools=[replace(TOOL, **change)]).surroundings() != before

    def test_another_result_of_a_tool_is_another_request(self):
        assert told(with_call("a")).surroundings() != told(with_call("a", "in Paris")).surroundings()

    def test_so_is_another_history_that_only_the_provider_can_read(self):
        def after(encrypted: str) -> ModelInput:
            details = {"encrypted_content": encrypted}
            history = CompactionPart(content=None, id=encrypted, provider_name="openai", provider_details=details)
            return told(asked("What did I say?", ModelResponse([history])))

        assert after("AAA").surroundings() != after("BBB").surroundings()
        assert after("AAA").surroundings() == after("AAA").surroundings()

    def test_how_the_client_waits_means_nothing(self):
        assert told(asked(), ModelSettings(timeout=3)).surroundings() == told(asked()).surroundings()


class TestTokens:
    def test_more_text_is_more_tokens(self):
        short, long = told(asked("x" * 300)).input_tokens, told(asked("x" * 3300)).input_tokens
        assert long - short == pytest.approx(3000 / BYTES_A_TOKEN, abs=1)

    def test_text_of_other_scripts_counts_by_its_bytes(self):
        more = told(asked("ж" * 300)).input_tokens - told(asked("x" * 300)).input_tokens
        assert more == pytest.approx(300 / BYTES_A_TOKEN, abs=1)

    @pytest.mark.parametrize(
        "more",
        [
            {"function_tools": [TOOL]},
            {"output_tools": [TOOL]},
            {"instruction_parts": [InstructionPart(content="Be short.")]},
        ],
    )
    def test_instructions_and_tools_count(self, more: dict[str, Any]):
        assert told(asked(), **more).input_tokens > told(asked()).input_tokens

    def test_calls_and_results_count(self):
        assert told(with_call("a", "x" * 3000)).input_tokens > 1000

    def test_an_image_counts_whatever_its_size_and_a_file_by_its_size(self):
        of_text = told(asked(["What is this?"])).input_tokens
        image = BinaryContent(b"x" * 1_000_000, media_type="image/png")
        assert told(asked(["What is this?", image])).input_tokens - of_text == IMAGE_TOKENS
        pdf = BinaryContent(b"x" * 200_000, media_type="application/pdf")
        assert told(asked(["What is this?", pdf])).input_tokens - of_text == 11 * IMAGE_TOKENS

    @pytest.mark.parametrize(
        ("settings", "limit"), [(None, None), (ModelSettings(max_tokens=7), 7), (ModelSettings(temperature=1), None)]
    )
    def test_the_agents_own_limit_of_the_output(self, settings: ModelSettings | None, limit: int | None):
        assert told(asked(), settings).output_tokens == limit
