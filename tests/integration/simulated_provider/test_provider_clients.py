"""The real OpenAI and Anthropic clients understand every answer."""

from __future__ import annotations

from typing import Any

import orjson
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from roadworthy.testing.simulated_provider import SimulatedProvider

HELLO: Any = [{"role": "user", "content": "hello"}]
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_TOOLS: Any = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in "abc"]
ANTHROPIC_TOOLS: Any = [{"name": name, "input_schema": SCHEMA} for name in "abc"]
THREE_CALLS = [
    {
        "tools": [
            {"name": name, "arguments": {"city": f"{name} with a long name, over several pieces"}} for name in "abc"
        ]
    }
]


async def test_openai_whole(openai_client: AsyncOpenAI) -> None:
    answer = await openai_client.chat.completions.create(model="sim-tokens5", messages=HELLO)
    choice = answer.choices[0]
    assert len((choice.message.content or "").split()) == 5
    assert (choice.finish_reason, choice.message.role, answer.model) == ("stop", "assistant", "sim-tokens5")
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 5
    assert 10 < answer.usage.prompt_tokens < 50
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 5
    longer = await openai_client.chat.completions.create(
        model="sim-tokens5", messages=[{"role": "user", "content": "x" * 4000}], max_completion_tokens=2
    )
    assert longer.choices[0].finish_reason == "length"
    assert longer.usage is not None
    assert longer.usage.prompt_tokens > 1000


async def test_openai_stream_says_the_same_as_the_whole_answer(openai_client: AsyncOpenAI) -> None:
    whole = await openai_client.chat.completions.create(model="sim-tokens5", messages=HELLO)
    stream = await openai_client.chat.completions.create(model="sim-tokens5", messages=HELLO, stream=True)
    chunks = [chunk async for chunk in stream]
    deltas = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
    assert len(deltas) == 5
    assert "".join(deltas) == whole.choices[0].message.content
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices] == [None] * 6 + ["stop"]
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert len({chunk.id for chunk in chunks}) == 1


async def test_openai_stream_ends_with_usage_if_asked(openai_client: AsyncOpenAI) -> None:
    stream = await openai_client.chat.completions.create(
        model="sim-tokens5", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert [chunk.usage is not None for chunk in chunks] == [False] * 7 + [True]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5


async def test_openai_parallel_calls(provider: SimulatedProvider, openai_client: AsyncOpenAI) -> None:
    provider.control(script=THREE_CALLS)
    whole = await openai_client.chat.completions.create(model="sim", messages=HELLO, tools=OPENAI_TOOLS)
    async with openai_client.chat.completions.stream(model="sim", messages=HELLO, tools=OPENAI_TOOLS) as stream:
        streamed = await stream.get_final_completion()
    for answer in (whole, streamed):
        assert answer.choices[0].finish_reason == "tool_calls"
        assert answer.choices[0].message.content is None
        calls: Any = answer.choices[0].message.tool_calls
        assert [(call.type, call.function.name) for call in calls] == [("function", name) for name in "abc"]
        assert [orjson.loads(call.function.arguments) for call in calls] == [
            call["arguments"] for call in THREE_CALLS[0]["tools"]
        ]
        assert len({call.id for call in calls}) == 3


async def test_openai_schema_of_the_answer(openai_client: AsyncOpenAI) -> None:
    answer = await openai_client.chat.completions.create(
        model="sim",
        messages=HELLO,
        response_format={"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}},
    )
    assert set(orjson.loads(answer.choices[0].message.content or "")) == {"city"}


async def test_both_clients_list_models(openai_client: AsyncOpenAI, anthropic_client: AsyncAnthropic) -> None:
    assert [model.id async for model in openai_client.models.list()] == ["sim-small", "sim-large"]
    assert [model.id async for model in anthropic_client.models.list()] == ["sim-small", "sim-large"]


async def test_anthropic_whole(anthropic_client: AsyncAnthropic) -> None:
    answer = await anthropic_client.messages.create(model="sim-tokens5", max_tokens=50, messages=HELLO)
    block = answer.content[0]
    assert block.type == "text"
    assert len(block.text.split()) == 5
    assert (answer.stop_reason, answer.role, answer.model) == ("end_turn", "assistant", "sim-tokens5")
    assert answer.usage.output_tokens == 5
    assert 10 < answer.usage.input_tokens < 50
    short = await anthropic_client.messages.create(model="sim-tokens5", max_tokens=2, messages=HELLO)
    assert (short.stop_reason, short.usage.output_tokens) == ("max_tokens", 2)


async def test_anthropic_stream_says_the_same_as_the_whole_answer(anthropic_client: AsyncAnthropic) -> None:
    whole = await anthropic_client.messages.create(model="sim-tokens5", max_tokens=50, messages=HELLO)
    raw = await anthropic_client.messages.create(model="sim-tokens5", max_tokens=50, messages=HELLO, stream=True)
    kinds = [event.type async for event in raw]
    assert kinds == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 5,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    async with anthropic_client.messages.stream(model="sim-tokens5", max_tokens=50, messages=HELLO) as stream:
        deltas = [text async for text in stream.text_stream]
        final = await stream.get_final_message()
    assert len(deltas) == 5
    assert final.content[0].model_dump(exclude={"parsed_output"}) == whole.content[0].model_dump()
    assert (final.usage.output_tokens, final.stop_reason) == (5, "end_turn")
    assert final.usage.input_tokens > 10


async def test_anthropic_text_and_parallel_calls(provider: SimulatedProvider, anthropic_client: AsyncAnthropic) -> None:
    provider.control(script=[{"text": "Let me look.", **THREE_CALLS[0]}])
    whole = await anthropic_client.messages.create(model="sim", max_tokens=50, messages=HELLO, tools=ANTHROPIC_TOOLS)
    async with anthropic_client.messages.stream(
        model="sim", max_tokens=50, messages=HELLO, tools=ANTHROPIC_TOOLS
    ) as stream:
        streamed = await stream.get_final_message()
    for answer in (whole, streamed):
        content: Any = answer.content
        assert answer.stop_reason == "tool_use"
        assert [block.type for block in content] == ["text", *["tool_use"] * 3]
        assert content[0].text == "Let me look."
        assert [(block.name, block.input) for block in content[1:]] == [
            (call["name"], call["arguments"]) for call in THREE_CALLS[0]["tools"]
        ]


async def test_anthropic_counts_tokens(anthropic_client: AsyncAnthropic) -> None:
    counted = await anthropic_client.messages.count_tokens(model="sim", messages=HELLO)
    assert 5 < counted.input_tokens < 50


async def test_empty_answers(openai_client: AsyncOpenAI, anthropic_client: AsyncAnthropic) -> None:
    whole = await openai_client.chat.completions.create(model="sim-tokens0", messages=HELLO)
    assert whole.choices[0].message.content == ""
    stream = await openai_client.chat.completions.create(model="sim-tokens0-rate9", messages=HELLO, stream=True)
    assert [chunk.choices[0].finish_reason async for chunk in stream] == [None, "stop"]
    message = await anthropic_client.messages.create(model="sim-tokens0", max_tokens=5, messages=HELLO)
    assert message.usage.output_tokens == 0


async def test_tokens_come_in_time_and_say_when(openai_client: AsyncOpenAI) -> None:
    stream = await openai_client.chat.completions.create(
        model="sim-stamp-tokens6-rate100-latency30", messages=HELLO, stream=True
    )
    stamps = [
        int(choice.delta.content.strip("@"))
        async for chunk in stream
        for choice in chunk.choices
        if choice.delta.content
    ]
    assert len(stamps) == 6
    assert stamps == sorted(stamps)
    # A slow machine makes it later, never earlier.
    assert stamps[-1] - stamps[0] >= 48_000


async def test_several_tokens_late_are_all_sent(provider: SimulatedProvider, openai_client: AsyncOpenAI) -> None:
    stream = await openai_client.chat.completions.create(
        model="sim-tokens3000-rate1000000", messages=HELLO, stream=True
    )
    assert sum([bool(choice.delta.content) async for chunk in stream for choice in chunk.choices]) == 3000
    assert provider.requests[0].tokens == 3000
