"""The API as a client sees it: answers, and streams that come back after every interruption."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

from .watched import Watched

MOST_CONNECTIONS = 400
_RECONNECT_SECONDS = 0.05
_DURABLE = {"status", "step", "tool_call", "tool_result", "approval", "done"}
_LONGEST_LINE = 4 * 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=30)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    kind: str
    data: dict[str, Any]
    at: float = field(default_factory=time.time, compare=False)
    """When it was received, in seconds since 1970."""


def durable(events: Sequence[Event]) -> list[Event]:
    """Those that every client sees, whenever it comes."""
    return [event for event in events if event.kind in _DURABLE]


def texts(events: Sequence[Event]) -> list[str]:
    """What was on the client's screen at the end of each step, and after the last one."""
    shown = [""]
    for event in events:
        if event.kind == "text":
            shown[-1] += event.data["text"]
        elif event.kind == "restart":
            shown[-1] = ""
        elif event.kind == "step":
            shown.append("")
    return shown


class Api:
    """One API server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = aiohttp.ClientSession(
            timeout=_TIMEOUT, connector=aiohttp.TCPConnector(limit=0), read_bufsize=_LONGEST_LINE
        )

    async def close(self) -> None:
        await self._http.close()

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        async with self._http.request(method, self.url + path, **options) as response:
            content = await response.read()
            is_json = response.headers.get("content-type", "").endswith("json")
            return Answer(response.status, response.headers, json.loads(content) if is_json else content)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.request("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.request("POST", path, json=body, **options)

    async def submit(self, agent: str, message: str, key: str | None = None, **fields: Any) -> dict[str, Any]:
        """The receipt of a task that was accepted."""
        headers = {} if key is None else {"idempotency-key": key}
        answer = await self.post("/v1/tasks", {"agent": agent, "input": message, **fields}, headers=headers)
        assert answer.status == 202, answer
        return answer.body

    async def task(self, task_id: str) -> dict[str, Any]:
        answer = await self.get(f"/v1/tasks/{task_id}")
        assert answer.status == 200, answer
        return answer.body

    async def cancel(self, task_id: str) -> None:
        answer = await self.post(f"/v1/tasks/{task_id}/cancel")
        assert answer.status == 202, answer

    async def steps(self, task_id: str) -> list[dict[str, Any]]:
        answer = await self.get(f"/v1/tasks/{task_id}/steps")
        assert answer.status == 200, answer
        return answer.body["steps"]

    async def messages(self, session_id: str) -> list[tuple[str, Any]]:
        """(role, content) of what was said in a session."""
        answer = await self.get(f"/v1/sessions/{session_id}/messages")
        assert answer.status == 200, answer
        return [(message["role"], message["content"]) for message in answer.body["messages"]]

    def follow(self, task_id: str, after: int = 0) -> TaskStream:
        return TaskStream([self], task_id, after)

    async def ended(self, task_id: str) -> dict[str, Any]:
        """The task once it has ended."""
        async with self.follow(task_id) as stream:
            await stream.until_done()
        return await self.task(task_id)

    async def events(self, task_id: str, after: int, on_event: Any) -> int:
        """Read one connection's events to its end; its status."""
        headers = {"last-event-id": str(after)} if after else {}
        async with self._http.get(f"{self.url}/v1/tasks/{task_id}/events", headers=headers) as response:
            if response.status == 200:
                event: dict[str, str] = {}
                async for line in response.content:
                    name, _, value = line.decode().rstrip("\n").partition(": ")
                    if name in ("id", "event", "data"):
                        event[name] = value
                    elif not name and event:
                        on_event(Event(int(event["id"]), event["event"], json.loads(event["data"])))
                        event = {}
            return response.status


class TaskStream(Watched):
    """A client that shows one task from its first event to `done`, and comes back with its last id when cut off:
    to each of its servers in turn."""

    def __init__(self, apis: Sequence[Api], task_id: str, after: int = 0, *, first: int = 0) -> None:
        """`first` is the place of the server that it begins with."""
        super().__init__()
        self.task_id = task_id
        self.seen: list[Event] = []
        self.connections = 0
        self.api: Api | None = None
        """Where it reads, or read last."""
        self._apis = apis
        self._first = first
        self._after = after
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._reading is not None
        self._reading.cancel()
        outcome = (await asyncio.gather(self._reading, return_exceptions=True))[0]
        assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome

    def use_only(self, api: Api) -> None:
        """For whatever comes now."""
        self._apis = [api]

    @property
    def cursor(self) -> int:
        return self.seen[-1].id if self.seen else self._after

    @property
    def done(self) -> Event | None:
        return self.seen[-1] if self.seen and self.seen[-1].kind == "done" else None

    @property
    def shown_text(self) -> str:
        """What is on the client's screen since the last step."""
        return texts(self.seen)[-1]

    def of_kind(self, kind: str) -> list[Event]:
        return [event for event in self.seen if event.kind == kind]

    async def until_seen(self, kind: str, times: int = 1, **data: Any) -> Event:
        """The event of that kind and number with these data."""

        def found() -> list[Event]:
            wanted = data.items()
            return [event for event in self.of_kind(kind) if event.data.items() >= wanted][times - 1 :]

        return (await self.until(found, f"{kind} {data} is seen {times} times"))[0]

    async def until_text(self, text: str) -> None:
        await self.until(lambda: text in self.shown_text, f"the text {text!r} is shown")

    async def until_done(self) -> Event:
        event = await self.until(lambda: self.done or self._failed(), "the task is done")
        assert isinstance(event, Event), self._reading
        return event

    async def check(self, status: str = "succeeded") -> dict[str, Any]:
        """The data of `done`, after checking that this client saw everything once, in order, and nothing else than
        what a client sees who comes only now and is told from the store."""
        done = await self.until_done()
        assert done.data["status"] == status, done
        numbers = [event.id for event in self.seen]
        assert numbers == sorted(set(numbers)), "numbers must rise"
        late = TaskStream(self._apis, self.task_id)
        async with late:
            await late.until_done()
        assert durable(self.seen) == durable(late.seen)
        # Text of a step that never came to its end is kept in the output, and in no step.
        assert texts(self.seen)[:-1] == texts(late.seen)[:-1]
        return done.data

    def present_state(self) -> str:
        return f"seen in {self.connections} connections: {self.seen}"

    def _failed(self) -> bool:
        return self._reading is not None and self._reading.done()

    def _show(self, event: Event) -> None:
        self.seen.append(event)
        self.changed()

    async def _read(self) -> None:
        try:
            while not self.done and self.connections < MOST_CONNECTIONS:
                api = self.api = self._apis[(self._first + self.connections) % len(self._apis)]
                self.connections += 1
                self.changed()
                try:
                    status = await api.events(self.task_id, self.cursor, self._show)
                except (aiohttp.ClientError, TimeoutError):
                    status = 503
                assert status in (200, 503), status
                if not self.done:
                    await asyncio.sleep(_RECONNECT_SECONDS)
        finally:
            self.changed()
