"""The reference's API: `python -m benchmarks.reference.api`."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from benchmarks.reference.valkey import Valkey
from benchmarks.reference.written_together import WrittenTogether

QUEUE = "bare:queue"
SCHEMA = """
create table if not exists bare_tasks (
    id uuid primary key, status text not null, agent text not null, input text not null, output text,
    created_at timestamptz not null default now(), claimed_at timestamptz, ended_at timestamptz
);
create table if not exists bare_steps (
    task_id uuid, number int, payload bytea not null, created_at timestamptz not null default now(),
    primary key (task_id, number)
)
"""
INSERT = """
insert into bare_tasks (id, status, agent, input)
select id, 'queued', agent, input from unnest($1::uuid[], $2::text[], $3::text[]) as new (id, agent, input)
"""


class Api:
    """Keeps what its handlers share."""

    def __init__(self) -> None:
        self._channel = f"bare:events:{os.getpid()}"
        self._events: dict[str, asyncio.Queue[dict[str, Any] | None]] = {}

    @asynccontextmanager
    async def running(self, _: Starlette) -> AsyncGenerator[None]:
        self._pool = await asyncpg.create_pool(os.environ["ROADWORTHY_DATABASE_URL"], min_size=8, max_size=8)
        await self._pool.execute(SCHEMA)
        self._insert = WrittenTogether(lambda rows: self._pool.execute(INSERT, *map(list, zip(*rows, strict=True))))
        self._valkey = await Valkey.connect(os.environ["ROADWORTHY_REDIS_URL"])
        subscriber = await Valkey.connect(os.environ["ROADWORTHY_REDIS_URL"], self._on_push)
        subscriber.send("SUBSCRIBE", self._channel)
        yield
        await self._pool.close()

    async def submit(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        task_id = uuid4()
        await self._insert(task_id, body["agent"], body["input"])
        self._events_of(str(task_id))
        ticket = orjson.dumps([task_id, body["agent"], body["input"], self._channel])
        await self._valkey.send("RPUSH", QUEUE, ticket)
        return _json({"id": task_id}, 202)

    async def task(self, request: Request) -> Response:
        row = await self._pool.fetchrow(
            "select status, output from bare_tasks where id = $1", UUID(request.path_params["id"])
        )
        return _json({"status": row["status"], "output": row["output"]})

    async def events(self, request: Request) -> Response:
        return StreamingResponse(self._sent_events(request.path_params["id"]), media_type="text/event-stream")

    async def _sent_events(self, task_id: str) -> AsyncGenerator[bytes]:
        queue = self._events_of(task_id)
        try:
            while True:
                texts = [await queue.get()]
                while not queue.empty():
                    texts.append(queue.get_nowait())
                for text in texts:
                    if text is None:
                        yield b"event: done\ndata: {}\n\n"
                        return
                    yield b"event: text\ndata: " + orjson.dumps(text) + b"\n\n"
        finally:
            self._events.pop(task_id, None)

    def _events_of(self, task_id: str) -> asyncio.Queue[dict[str, Any] | None]:
        return self._events.setdefault(task_id, asyncio.Queue())

    def _on_push(self, push: Any) -> None:
        if push[0] == b"message":
            for task_id, text in orjson.loads(push[2]):
                self._events_of(task_id).put_nowait(None if text is None else {"text": text})


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def main() -> None:
    api = Api()
    routes = [
        Route("/v1/tasks", api.submit, methods=["POST"]),
        Route("/v1/tasks/{id}", api.task),
        Route("/v1/tasks/{id}/events", api.events),
    ]
    app = Starlette(routes=routes, lifespan=api.running)
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    sys.stdout.write(f"bare reference on http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(app, loop="uvloop", http="httptools", ws="none", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
