"""How a provider's stream ends decides whether its answer is whole, with every client that reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import orjson
import pytest
from aiohttp import web
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from roadworthy import AgentService, CachePolicy, Price
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.frameworks.pydantic_ai.runner import transport
from unit.execution.test_worker_caches import Cached

DONE = b"[DONE]"
CUT, WHOLE = "Take this medicine, but never", "Take this medicine."


class Provider:
    """Sends what it is told to, one answer after the other, the last one again and again."""

    def __init__(self) -> None:
        self.answers: list[Sequence[object]] = []
        self.asked = 0
        self.url = ""
        self.goes_on: bytes | None = None
        """What follows each answer, without end."""
        self.was_left = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        events = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        for event in events:
            data = event if isinstance(event, bytes) else orjson.dumps(event)
            name = event["type"] if isinstance(event, dict) and "type" in event else None
            await response.write((f"event: {name}\n".encode() if name else b"") + b"data: " + data + b"\n\n")
        if self.goes_on is not None:
            await self._go_on(response, self.goes_on)
        await response.write_eof()
        return response

    async def _go_on(self, response: web.StreamResponse, comment: bytes) -> None:
        try:
            while True:
                await response.write(comment)
                await asyncio.sleep(0.01)
        finally:
            self.was_left.set()


@pytest.fixture
async def provider() -> AsyncGenerator[Provider]:
    provider, app = Provider(), web.Application()
    app.router.add_post("/{path:.*}", provider.answer)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield provider
    # What it holds belongs to the event loop of this test.
    await transport.close()
    await runner.cleanup()


def chat(text: str, finish: str | None = None, model: str = "m") -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}


def usage(model: str = "m") -> dict[str, Any]:
    counts = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    return {**chat("", model=model), "choices": [], "usage": counts}


def of_anthropic(text: str, *, ends: bool) -> list[object]:
    message = {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 1},
    }
    begins = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
    ]
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    end = [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]
    return [*begins, *(end if ends else [])]


def of_responses(text: str, *, ends: bool) -> list[object]:
    response = {
        "id": "r1",
        "object": "response",
        "created_at": 1,
        "status": "in_progress",
        "model": "m",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    item = {"id": "i1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    place = {"item_id": "i1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    begins = [
        {"type": "response.created", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
        {"type": "response.output_text.delta", **place, "delta": text, "logprobs": []},
    ]
    end = [{"type": "response.completed", "response": {**response, "status": "completed"}}]
    numbered = [{**event, "sequence_number": n} for n, event in enumerate([*begins, *(end if ends else [])])]
    return list(numbered)


def lean(provider: Provider) -> Model:
    return OpenAIChatModel("m", provider=OpenAIProvider(base_url=f"{provider.url}/v1", api_key="none"))


def of_the_library(provider: Provider) -> Model:
    client = AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="none", max_retries=0)
    return OpenAIChatModel("m", provider=OpenAIProvider(openai_client=client))


def claude(provider: Provider) -> Model:
    return AnthropicModel("m", provider=AnthropicProvider(base_url=provider.url, api_key="none"))


def responses(provider: Provider) -> Model:
    return OpenAIResponsesModel("m", provider=OpenAIProvider(base_url=f"{provider.url}/v1", api_key="none"))


CHAT_ENDS: dict[str, list[object]] = {
    "finish_reason and [DONE]": [chat("", "stop"), usage(), DONE],
    "finish_reason alone": [chat("", "stop"), usage()],
    "[DONE] alone": [usage(), DONE],
}


@pytest.fixture
async def cluster() -> Cached:
    return Cached()


async def ask(cluster: Cached, model: Model) -> tuple[Task, dict[str, Any]]:
    service = AgentService(Agent(model), cache=CachePolicy(), prices={"m": Price("1", "10")})
    task = await cluster.run(service)
    return task, (await cluster.details(task))[-1]


@pytest.mark.parametrize(
    ("model", "cut", "whole"),
    [
        (lean, [chat(CUT)], [chat(WHOLE), *CHAT_ENDS["finish_reason and [DONE]"]]),
        (claude, of_anthropic(CUT, ends=False), of_anthropic(WHOLE, ends=True)),
        (responses, of_responses(CUT, ends=False), of_responses(WHOLE, ends=True)),
    ],
    ids=["chat completions", "Anthropic", "Responses"],
)
async def test_an_answer_that_ends_without_saying_so_is_a_broken_one(
    provider: Provider, cluster: Cached, model: Any, cut: list[object], whole: list[object]
):
    provider.answers = [cut, whole]
    task, detail = await ask(cluster, model(provider))
    assert (task.status, orjson.loads(task.output or b"")) == (TaskStatus.SUCCEEDED, WHOLE)
    assert [one["failure"] for one in detail["tries"]] == ["connection_broken", None]
    assert detail["tries"][0]["uncertain"], "nobody knows what the provider takes for it"


@pytest.mark.parametrize("ends", CHAT_ENDS)
async def test_a_stream_may_say_so_in_either_way(provider: Provider, cluster: Cached, ends: str):
    provider.answers = [[chat(WHOLE), *CHAT_ENDS[ends]]]
    task, detail = await ask(cluster, lean(provider))
    assert task.status is TaskStatus.SUCCEEDED and "tries" not in detail
    assert provider.asked == 1


@pytest.mark.parametrize("model", [lean, of_the_library])
@pytest.mark.parametrize(("ends", "is_kept"), [("finish_reason and [DONE]", True), ("[DONE] alone", False)])
async def test_only_an_answer_whose_provider_says_why_it_ends_is_used_again(
    provider: Provider, cluster: Cached, model: Any, ends: str, is_kept: bool
):
    provider.answers = [[chat(WHOLE), *CHAT_ENDS[ends]]]
    await ask(cluster, model(provider))
    task, _ = await ask(cluster, model(provider))
    assert task.usage.cached_calls == provider.asked % 2 == int(is_kept)


@pytest.mark.parametrize("comment", [b"", b": still here\n\n", b":" * 65_536], ids=["silence", "a little", "much"])
async def test_a_whole_answer_is_not_lost_with_a_body_that_does_not_end(
    provider: Provider, cluster: Cached, comment: bytes
):
    provider.answers, provider.goes_on = [[chat(WHOLE), *CHAT_ENDS["finish_reason and [DONE]"]]], comment
    task, detail = await ask(cluster, lean(provider))
    assert (task.status, orjson.loads(task.output or b"")) == (TaskStatus.SUCCEEDED, WHOLE)
    assert "tries" not in detail and detail["seconds"] < 5
    async with asyncio.timeout(60):
        await provider.was_left.wait()
    connector = transport._lean_session().connector
    assert connector is not None and not connector._conns, "it is closed, and never used again"  # type: ignore[attr-defined]
