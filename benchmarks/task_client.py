"""Speaks to a system as its users do."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from benchmarks.http_client import HttpClient
from benchmarks.server_sent_events import EventReader

LOOK_AGAIN_SECONDS = 0.1
WARM_UP = 100
_OPEN = frozenset({"blocked", "queued", "running"})
_STAMP = re.compile(rb"@(\d+)@")


class TaskFailed(Exception):
    """A task did not do what it should have done."""


@dataclass(slots=True)
class Seen:
    """What one client saw of a stream, in seconds."""

    first: float = 0.0
    """From the submission to the first token."""
    ages: list[float] = field(default_factory=list[float])
    """How old each token was when it came."""


class TaskClient:
    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def submit(self, agent: str, message: str) -> str:
        """The id of the accepted task."""
        status, body = await self._http.post("/v1/tasks", orjson.dumps({"agent": agent, "input": message}))
        if status != 202:
            raise TaskFailed(f"a submission was answered with {status}: {body[:300]!r}")
        return orjson.loads(body)["id"]

    async def submit_many(self, agent: str, count: int, at_once: int) -> list[str]:
        numbers = iter(range(count))
        ids: list[str] = []

        async def submit_next() -> None:
            for number in numbers:
                ids.append(await self.submit(agent, f"What is the weather in town {number}?"))

        await asyncio.gather(*(submit_next() for _ in range(at_once)))
        return ids

    async def wait_for_all(self, ids: Sequence[str], at_once: int = 2) -> None:
        """Look at each task until it has succeeded: at least once, and rarely more often."""
        left = iter(ids)

        async def wait_for_next() -> None:
            for task_id in left:
                while not await self._succeeded(task_id):
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)

        await asyncio.gather(*(wait_for_next() for _ in range(at_once)))

    async def run_many(self, agent: str, count: int, at_once: int) -> None:
        await self.wait_for_all(await self.submit_many(agent, count, at_once))

    async def warm_up(self) -> None:
        """Open the connections and make the plans that a server has after its first minute."""
        await self.run_many("two-calls", WARM_UP, 16)

    async def stream(self, agent: str, tokens: int) -> Seen:
        """Submit a task and read its events to the end; TaskFailed unless every token came."""
        began = time.monotonic()
        stamps, reader = _Stamps(began), EventReader()

        def on_body(piece: bytes) -> None:
            for name, data in reader.feed(piece):
                if name == b"text":
                    stamps.read(data)

        task_id = await self.submit(agent, "Tell me a story.")
        await self._http.get(f"/v1/tasks/{task_id}/events", on_body)
        return stamps.complete(tokens)

    async def _succeeded(self, task_id: str) -> bool:
        status, body = await self._http.get(f"/v1/tasks/{task_id}")
        task = orjson.loads(body)
        if status != 200 or task["status"] not in {*_OPEN, "succeeded"}:
            raise TaskFailed(f"a task should have succeeded: {status} {body[:500]!r}")
        return task["status"] == "succeeded"


async def stream_from_provider(provider: HttpClient, model: str, tokens: int) -> Seen:
    """The same answer without anything in between."""
    stamps, reader = _Stamps(time.monotonic()), EventReader()

    def on_body(piece: bytes) -> None:
        for _, data in reader.feed(piece):
            stamps.read(data)

    request = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Tell me a story."}]}
    await provider.post("/v1/chat/completions", orjson.dumps(request), on_body)
    return stamps.complete(tokens)


class _Stamps:
    """Finds the tokens in what arrives: each is the time when the provider sent it."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._latest = 0
        self._seen = Seen()

    def read(self, data: bytes) -> None:
        now = time.monotonic()
        for match in _STAMP.finditer(data):
            # Equal times are two tokens of one moment; earlier ones come from text that was sent again.
            if (sent := int(match[1])) < self._latest:
                continue
            self._latest = sent
            if not self._seen.ages:
                self._seen.first = now - self._began
            self._seen.ages.append(now - sent / 1e6)

    def complete(self, tokens: int) -> Seen:
        if len(self._seen.ages) != tokens:
            raise TaskFailed(f"{len(self._seen.ages)} of {tokens} tokens came")
        return self._seen
