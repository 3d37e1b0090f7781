"""Sends tasks, again and again until each is accepted, and follows some of them to their end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from benchmarks.http_client import HttpClient
from benchmarks.soak.kinds import CONVERSATIONS, Kind, kind_of

AT_ONCE = 24
FOLLOW_EACH = 50
"""One task in so many has a client that reads its events."""
_AGAIN_SECONDS = 0.1


@dataclass(slots=True)
class Accepted:
    """By id: what kind of task it is."""

    kinds: dict[str, Kind] = field(default_factory=dict[str, Kind])
    cancelled: set[str] = field(default_factory=set[str])
    followed: int = 0
    repeated: int = 0
    """Requests that got no answer, or one that asks to come back."""


class Clients:
    def __init__(self, urls: Sequence[str], tasks: int) -> None:
        self.accepted = Accepted()
        self._servers = [HttpClient(url) for url in urls]
        self._tasks = tasks
        self._numbers = iter(range(tasks))
        self._sessions: dict[int, asyncio.Future[str]] = {}
        self._following: set[asyncio.Task[None]] = set()
        self._room = asyncio.Condition()
        self._open_tasks = 0
        self._turn = itertools.count()

    def close(self) -> None:
        for server in self._servers:
            server.close()

    async def submit_all(self) -> None:
        """Returns when all are accepted, and those that are followed have ended."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._submit_next())
        await asyncio.gather(*self._following)

    async def cancel(self, task_id: str) -> None:
        await self._post(f"/v1/tasks/{task_id}/cancel", b"{}")

    async def make_room(self, open_tasks: int) -> None:
        """Tell how many tasks have not ended: nobody submits while there are too many."""
        async with self._room:
            self._open_tasks = open_tasks
            self._room.notify_all()

    async def _submit_next(self) -> None:
        for number in self._numbers:
            async with self._room:
                await self._room.wait_for(lambda: self._open_tasks < 2000)
            await self._submit(number, kind_of(number))

    async def _submit(self, number: int, kind: Kind) -> None:
        body: dict[str, str] = {"agent": "agent" if kind == "agent" else "function", "input": f"{kind} {number}"}
        opens: asyncio.Future[str] | None = None
        if kind == "talk":
            place = number // 100 % CONVERSATIONS
            if place in self._sessions:
                body["session_id"] = await self._sessions[place]
            else:
                opens = self._sessions[place] = asyncio.get_running_loop().create_future()
        answer = await self._post("/v1/tasks", orjson.dumps(body), {"idempotency-key": f"task {number}"})
        task = orjson.loads(answer)
        if opens is not None:
            opens.set_result(task["session_id"])
        self.accepted.kinds[task["id"]] = kind
        if kind == "unwanted":
            await self.cancel(task["id"])
            self.accepted.cancelled.add(task["id"])
        elif number % FOLLOW_EACH == 0 and kind != "talk":
            following = asyncio.create_task(self._follow(task["id"]))
            self._following.add(following)
            following.add_done_callback(self._following.discard)

    async def _post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
        """The answer of whichever server is there."""
        while True:
            try:
                answer = await self._servers[next(self._turn) % len(self._servers)].post(path, body, headers=headers)
            except OSError:
                answer = None
            if answer is not None and answer.status in (200, 202):
                return answer.body
            assert answer is None or answer.status in (429, 503), f"{path}: {answer}"
            self.accepted.repeated += 1
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _follow(self, task_id: str) -> None:
        """Until it is done, or waits for a person."""
        reader, last = _LastId(), 0
        for turn in itertools.count():
            server = self._servers[turn % len(self._servers)]
            reading = asyncio.create_task(server.get(f"/v1/tasks/{task_id}/events?after={last}", reader.feed))
            ended = asyncio.create_task(reader.ended.wait())
            await asyncio.wait({reading, ended}, return_when=asyncio.FIRST_COMPLETED)
            for each in (reading, ended):
                each.cancel()
            await asyncio.gather(reading, ended, return_exceptions=True)
            if reader.ended.is_set():
                self.accepted.followed += 1
                return
            last = reader.last
            await asyncio.sleep(_AGAIN_SECONDS)


class _LastId:
    """Reads a stream's events for their numbers and its end."""

    def __init__(self) -> None:
        self.last = 0
        self.ended = asyncio.Event()
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"id:"):
                self.last = int(line[3:])
            elif line == b"event: done" or (line.startswith(b"data:") and b'"waiting"' in line):
                self.ended.set()
