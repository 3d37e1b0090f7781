"""Answers are a pure function of request, number and settings."""

from __future__ import annotations

import datetime
import enum
import uuid
from dataclasses import replace
from typing import Annotated, Literal

import orjson
import pydantic
import pytest

from roadworthy.testing.simulated_provider import ProviderSettings, parse_script
from roadworthy.testing.simulated_provider.answer import Answer, CallPart, TextPart, compose_answer
from roadworthy.testing.simulated_provider.errors import BadRequest
from roadworthy.testing.simulated_provider.generated import generate_value, split_tokens
from roadworthy.testing.simulated_provider.model_name import behaviour_of
from roadworthy.testing.simulated_provider.model_request import ModelRequest, OfferedTool
from roadworthy.testing.simulated_provider.wire import read_conversation

CITY = OfferedTool("weather", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
SEAT = OfferedTool("book", {"type": "object", "properties": {"seat": {"type": "integer"}}, "required": ["seat"]})
OUTPUT = OfferedTool("final_result", {"type": "object"})


def a_request(model: str = "sim", turn: int = 0, **changes: object) -> ModelRequest:
    request = ModelRequest("openai", model, False, False, "hi", "hi", turn, turn, (), None, None, None, 10)
    return replace(request, **changes)  # type: ignore[arg-type]


def compose(request: ModelRequest, number: int = 1, settings: ProviderSettings | None = None) -> Answer:
    settings = settings or ProviderSettings()
    return compose_answer(request, number, behaviour_of(request.model, settings), settings)


def said(answer: Answer) -> list[str | tuple[str, object]]:
    return [
        part.text() if isinstance(part, TextPart) else (part.name, orjson.loads(part.arguments))
        for part in answer.parts
    ]


def test_the_same_question_has_the_same_text_but_never_the_same_ids() -> None:
    first, again = compose(a_request(), 1), compose(a_request(), 2)
    assert said(first) == said(again)
    assert first.id != again.id
    calls = [
        part.id
        for number in (1, 2)
        for part in compose(a_request("sim-tools1-calls2", tools=(CITY,)), number).parts
        if isinstance(part, CallPart)
    ]
    assert len(set(calls)) == 4


@pytest.mark.parametrize("changes", [{"message": "other"}, {"turn": 1}, {"model": "sim-b"}, {"key": "other"}])
def test_another_question_has_another_text(changes: dict[str, object]) -> None:
    assert said(compose(a_request())) != said(compose(a_request(**changes)))  # type: ignore[arg-type]


def test_text_depends_on_the_seed_and_if_wanted_on_the_request() -> None:
    assert said(compose(a_request())) != said(compose(a_request(), settings=ProviderSettings(seed=1)))
    by_request = ProviderSettings(text_by="request")
    assert said(compose(a_request(), 1, by_request)) != said(compose(a_request(), 2, by_request))
    assert said(compose(a_request(), 2, by_request)) == said(compose(a_request(), 2, by_request))


def test_rounds_of_tool_calls_come_before_the_text() -> None:
    tools = (CITY, SEAT, OUTPUT)
    rounds = [compose(a_request("sim-tools2-calls3-tokens4", turn, tools=tools)) for turn in range(3)]
    names = [[part.name for part in answer.parts if isinstance(part, CallPart)] for answer in rounds]
    assert names == [["weather", "book", "weather"], ["book", "weather", "book"], []]
    assert [answer.ends for answer in rounds] == ["tools", "tools", "stop"]
    assert rounds[2].completion_tokens == 4


def test_a_forced_tool_is_called() -> None:
    tools = (CITY, OUTPUT)
    assert said(compose(a_request(tools=tools, forced_tool="weather")))[0][0] == "weather"
    assert said(compose(a_request(tools=tools, forced_tool=""))) == [("final_result", {})]


def test_the_limit_of_the_request_cuts_the_text() -> None:
    answer = compose(a_request("sim-tokens50", max_tokens=3))
    assert (answer.completion_tokens, answer.ends) == (3, "length")
    scripted = compose(a_request(max_tokens=2), settings=ProviderSettings(script=parse_script(["one two three"])))
    assert said(scripted) == ["one two "]


def test_scripted_replies() -> None:
    script = parse_script(
        [
            {"text": "looking", "tools": ["weather", {"name": "book", "arguments": {"seat": 4}}]},
            {"tokens": 3},
            "The end.\n Really.",
            {"nonsense": "tool"},
            "nonsense",
        ]
    )
    settings = ProviderSettings(script=script)
    answers = [compose(a_request(turn=turn, tools=(CITY, SEAT)), settings=settings) for turn in range(6)]
    first = said(answers[0])
    assert first[0] == "looking"
    assert first[1][0] == "weather"
    assert isinstance(first[1][1], dict)
    assert set(first[1][1]) == {"city"}
    assert first[2] == ("book", {"seat": 4})
    assert answers[1].completion_tokens == 3
    assert said(answers[2]) == ["The end.\n Really."]
    assert said(answers[3])[0][0] not in {"weather", "book"}
    broken = answers[4].parts[0]
    assert isinstance(broken, CallPart)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(broken.arguments)
    assert answers[5].completion_tokens == 20


def test_stamped_tokens_carry_the_time() -> None:
    part = compose(a_request("sim-stamp-tokens2")).parts[0]
    assert isinstance(part, TextPart)
    times = [int(text) for text in part.text().split("@") if text]
    assert len(times) == 2
    assert int(part.token(0).strip("@")) >= times[1] >= times[0]


def test_text_follows_the_schema_of_the_request() -> None:
    answer = compose(a_request(output_schema=CITY.schema))
    assert set(orjson.loads(str(said(answer)[0]))) == {"city"}


@pytest.mark.parametrize("text", ["", " ", "a", "  a b\n\nc  ", "ä 日本 🙂"])
def test_tokens_join_to_the_text(text: str) -> None:
    assert "".join(split_tokens(text)) == text


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(pydantic.BaseModel):
    size: Annotated[int, pydantic.Field(ge=3, le=5)]
    share: Annotated[float, pydantic.Field(gt=0, lt=1)]
    below: Annotated[int, pydantic.Field(le=-4)]
    even: Annotated[int, pydantic.Field(ge=4, multiple_of=2)]


class Tree(pydantic.BaseModel):
    name: Annotated[str, pydantic.Field(min_length=30, max_length=32)]
    colour: Colour
    kind: Literal["oak"]
    maybe: int | None
    either: Leaf | str
    leaves: Annotated[list[Leaf], pydantic.Field(min_length=2)]
    parent: Tree | None
    day: datetime.date
    at: datetime.datetime
    key: uuid.UUID
    yes: bool
    anything: dict[str, int]
    skipped: str = "left out"


@pytest.mark.parametrize("bits", range(50))
def test_generated_arguments_fit_their_schema(bits: int) -> None:
    value = generate_value(Tree.model_json_schema(), bits)
    Tree.model_validate_json(orjson.dumps(value))
    assert "skipped" not in value
    assert value == generate_value(Tree.model_json_schema(), bits)


def test_endless_schema_ends() -> None:
    schema = {"$defs": {"a": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "required": ["a"]}}}
    orjson.dumps(generate_value({**schema, "$ref": "#/$defs/a"}, 1))
    assert generate_value({"$ref": "#"}, 1) == {}


def test_turns_are_counted_since_the_latest_user_message() -> None:
    result = {"type": "tool_result", "tool_use_id": "x", "content": "ok"}
    conversation = read_conversation(
        [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "tool", "content": "ok"},
            {"role": "tool", "content": "ok"},
            {"role": "assistant", "content": "done"},
            {"role": "user", "content": [{"type": "text", "text": "sec"}, {"type": "text", "text": "ond"}]},
            {"role": "assistant", "content": "calling"},
            {"role": "user", "content": [result, result]},
        ]
    )
    assert (conversation.key, conversation.message) == ("first", "second")
    assert (conversation.turn, conversation.depth) == (1, 3)


@pytest.mark.parametrize("messages", [None, [], "hi", ["hi"], [{}], [{"role": 3}]])
def test_wrong_messages_are_refused(messages: object) -> None:
    with pytest.raises(BadRequest, match="messages"):
        read_conversation(messages)
