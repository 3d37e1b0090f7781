"""The cheapest way to ask the provider: what the plain functions and the reference use."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import orjson

from benchmarks.http_client import HttpClient
from benchmarks.server_sent_events import EventReader

PROVIDER_URL = "BENCHMARK_PROVIDER_URL"
"""Environment variable with the provider's OpenAI base URL."""
LOOKUP: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "lookup",
        "description": "Look a city up.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
Messages = list[dict[str, Any]]


@cache
def _client() -> HttpClient:
    return HttpClient(os.environ[PROVIDER_URL])


async def complete(model: str, messages: Messages) -> Any:
    """A chat completion, as the provider's JSON."""
    status, body = await _client().post(
        "/chat/completions", orjson.dumps({"model": model, "messages": messages, "tools": [LOOKUP]})
    )
    if status != 200:
        raise ConnectionError(f"the provider answered {status}: {body[:200]!r}")
    return orjson.loads(body)


async def stream(model: str, messages: Messages, on_text: Callable[[str], None]) -> Any:
    """The same, streamed; `on_text` gets each piece as it comes."""
    reader, said = EventReader(), list[str]()

    def on_body(piece: bytes) -> None:
        for _, data in reader.feed(piece):
            choices = () if data == b"[DONE]" else orjson.loads(data)["choices"]
            if choices and (text := choices[0]["delta"].get("content")):
                said.append(text)
                on_text(text)

    request = {"model": model, "messages": messages, "tools": [LOOKUP], "stream": True}
    status, _ = await _client().post("/chat/completions", orjson.dumps(request), on_body)
    if status != 200:
        raise ConnectionError(f"the provider answered {status}")
    return {"choices": [{"message": {"role": "assistant", "content": "".join(said)}}]}
