"""The reference's worker: `python -m benchmarks.reference.worker`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import uvloop

from benchmarks.provider_client import Messages, complete, stream
from benchmarks.reference.api import QUEUE
from benchmarks.reference.valkey import Valkey
from benchmarks.reference.written_together import WrittenTogether
from benchmarks.workload import MODELS, STREAMED, lookup

AT_ONCE = 2000
LARGEST_CLAIM = 64

CLAIM = """
update bare_tasks set status = 'running', claimed_at = now() where id = any ($1::uuid[]) and status = 'queued'
"""
STEP = """
insert into bare_steps (task_id, number, payload) select * from unnest($1::uuid[], $2::int[], $3::bytea[])
"""
FINISH = """
update bare_tasks set status = 'succeeded', output = ended.output, ended_at = now()
from unnest($1::uuid[], $2::text[]) as ended (id, output) where bare_tasks.id = ended.id
"""


class Worker:
    """Takes tickets while it has free slots."""

    def __init__(self, pool: asyncpg.Pool[Any], valkey: Valkey) -> None:
        self._valkey = valkey
        self._claim, self._step, self._finish = (
            WrittenTogether(lambda rows, sql=sql: pool.execute(sql, *map(list, zip(*rows, strict=True))))
            for sql in (CLAIM, STEP, FINISH)
        )
        self._unpublished: defaultdict[str, list[tuple[str, str | None]]] = defaultdict(list)
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, tickets: Valkey) -> None:
        while True:
            while len(self._running) >= AT_ONCE:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            taken = await tickets.send("BLMPOP", 1, 1, QUEUE, "LEFT", "COUNT", LARGEST_CLAIM)
            for ticket in taken[1] if taken else ():
                task = asyncio.create_task(self._work(*orjson.loads(ticket)))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def _work(self, task: str, agent: str, message: str, channel: str) -> None:
        task_id, model = UUID(task), MODELS[agent]
        await self._claim(task_id)
        messages: Messages = [{"role": "user", "content": message}]
        on_text = self._publisher(channel, task) if agent in STREAMED else None
        steps = 0
        while True:
            answer = await (stream(model, messages, on_text) if on_text else complete(model, messages))
            said = answer["choices"][0]["message"]
            messages.append(said)
            if not said.get("tool_calls"):
                break
            await self._step(task_id, steps := steps + 1, orjson.dumps(said))
            for call in said["tool_calls"]:
                result = await lookup(**orjson.loads(call["function"]["arguments"]))
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
                await self._step(task_id, steps := steps + 1, orjson.dumps(messages[-1]))
        await self._finish(task_id, said["content"])
        if on_text:
            on_text(None)

    def _publisher(self, channel: str, task_id: str) -> Callable[[str | None], None]:
        def publish(text: str | None) -> None:
            if not self._unpublished:
                asyncio.get_running_loop().call_soon(self._flush)
            self._unpublished[channel].append((task_id, text))

        return publish

    def _flush(self) -> None:
        for channel, texts in self._unpublished.items():
            self._valkey.send("PUBLISH", channel, orjson.dumps(texts))
        self._unpublished.clear()


async def main() -> None:
    url = os.environ["ROADWORTHY_REDIS_URL"]
    async with asyncpg.create_pool(os.environ["ROADWORTHY_DATABASE_URL"], min_size=8, max_size=8) as pool:
        worker = Worker(pool, await Valkey.connect(url))
        sys.stdout.write("bare worker started\n")
        sys.stdout.flush()
        await worker.run(await Valkey.connect(url))


if __name__ == "__main__":
    uvloop.run(main())
