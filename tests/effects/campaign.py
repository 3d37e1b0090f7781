"""Tasks without end whose workers are killed, or stopped, at random points; and what their calls came to."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import asyncpg

from acceptance.deployment import SHORT_LEASE, Deployment
from acceptance.effect_database import EffectDatabase
from acceptance.people import look_and_decide
from acceptance.processes import Process

WORKERS = 3
AT_ONCE = 4
"""Tasks in one worker."""
IN_FLIGHT = WORKERS * AT_ONCE + 2

_SLOW_DOWN = """
create function slow_down() returns trigger language plpgsql as $$
begin
    perform pg_sleep(random() * 0.02);
    return new;
end
$$;
create trigger slow_down before insert on journal_entries for each row
    when (new.kind in ('started', 'tool')) execute function slow_down();
do $$ begin
    execute format('alter database %I set client_connection_check_interval = 5', current_database());
end $$;
"""
"""Writing takes long enough to be met in the middle, and what nobody waits for any more is sometimes rolled back."""

_OPEN = "select count(*) from tasks where status in ('queued', 'running')"
_UNFINISHED = "select count(*) from tasks where status in ('queued', 'running', 'waiting')"
_WAITING = "select id::text, attempt from tasks where status = 'waiting'"
_HELD = """
select t.id::text, t.attempt, t.input from tasks t join workers w on w.id = t.worker_id
where w.process_id = $1 and t.status = 'running'
"""
_KEYS = "select key from journal_entries where task_id = $1::text::uuid"
_STILL_HELD = """
select count(*) from unnest($1::text[], $2::integer[]) held(id, attempt)
join tasks t on t.id = held.id::uuid and t.attempt = held.attempt and t.status = 'running'
"""


class Campaign:
    def __init__(self, deployment: Deployment, effects: EffectDatabase, seed: int) -> None:
        self.scripts: dict[str, list[list[tuple[str, dict[str, Any]]]]] = {}
        """What each task was told to do."""
        self.met: Counter[str] = Counter()
        """Where the calls were whose worker was killed or stopped."""
        self.decisions: Counter[str] = Counter()
        """What people said."""
        self._deployment = deployment
        self._effects = effects
        self._chance = Random(seed)
        self._deciding: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._starting: set[asyncio.Task[Process]] = set()
        self._stopped: set[Process] = set()
        self._store: Any = None

    @asynccontextmanager
    async def under_way(self) -> AsyncIterator[None]:
        """Meanwhile there is work; afterwards all of it has come to its end."""
        self._store = await asyncpg.create_pool(self._deployment.database_url, min_size=1, max_size=4)
        try:
            await self._store.execute(_SLOW_DOWN)
            await asyncio.gather(*(self._start_worker() for _ in range(WORKERS)))
            people = asyncio.create_task(self._decide())
            load = asyncio.create_task(self._submit())
            try:
                yield
                load.cancel()
                await asyncio.gather(*self._starting)
                await self._until_ended(people)
            finally:
                for each in (people, load, *self._deciding.values()):
                    each.cancel()
        finally:
            await self._store.close()

    async def kill(self, times: int) -> None:
        for _ in range(times):
            worker, held = await self._somebody_at_work()
            await worker.kill()
            await self._note(held)
            self._replace()

    async def stop(self, times: int) -> None:
        """Each until others have its tasks, which is before anybody may say what became of their calls."""
        for _ in range(times):
            worker, _ = await self._somebody_at_work()
            self._stopped.add(worker)
            await self._stop(worker)
            self._stopped.discard(worker)

    async def _stop(self, worker: Process) -> None:
        worker.send(signal.SIGSTOP)
        lost = len(worker.logged("lease_lost"))
        held = await self._store.fetch(_HELD, worker.pid)
        await self._note(held)
        await self._until_replaced(held)
        worker.send(signal.SIGCONT)
        await worker.until(lambda: len(worker.logged("lease_lost")) > lost, "it knows that it lost its tasks")

    async def _somebody_at_work(self) -> tuple[Process, Any]:
        while True:
            await asyncio.sleep(self._chance.random() * 0.1)  # any point of what they do is as good as another
            workers = [each for each in self._deployment.workers if each.status is None and each not in self._stopped]
            if not workers:
                continue
            worker = self._chance.choice(workers)
            if held := await self._store.fetch(_HELD, worker.pid):
                return worker, held

    async def _until_replaced(self, held: Any) -> None:
        ids, attempts = [row[0] for row in held], [row[1] for row in held]
        while await self._store.fetchval(_STILL_HELD, ids, attempts):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def _note(self, held: Any) -> None:
        """Where the calls of these tasks are."""
        for task_id, _, message in held:
            keys = {row[0] for row in await self._store.fetch(_KEYS, task_id)}
            step = sum(key.startswith("m") for key in keys)
            for tool, arguments in [*json.loads(message), []][step - 1] if step else ():
                if tool != "reserve":
                    effects = await self._effects.effects(task_id, tool, arguments["item"])
                    self.met[_boundary(f"{step}:{tool}#1", keys, bool(effects))] += 1

    def _replace(self) -> None:
        starting = asyncio.create_task(self._start_worker())
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)

    async def _start_worker(self) -> Process:
        return await self._deployment.start_worker(lease_seconds=SHORT_LEASE, worker_concurrency=str(AT_ONCE))

    async def _submit(self) -> None:
        while True:
            for _ in range(IN_FLIGHT - await self._store.fetchval(_OPEN)):
                script = self._script()
                agent = self._chance.choice(("function", "function", "pydantic_ai"))
                task = await self._deployment.api.submit(agent, json.dumps(script))
                self.scripts[task["id"]] = script
            await asyncio.sleep(0.05)

    def _script(self) -> list[list[tuple[str, dict[str, Any]]]]:
        return [
            [
                (tool, {"item": self._item(tool, f"{step}/{place}")})
                for place, tool in enumerate(
                    self._chance.sample(("charge", "pay", "reserve"), self._chance.choice((1, 2, 3)))
                )
            ]
            for step in range(1, self._chance.choice((1, 2, 3)) + 1)
        ]

    def _item(self, tool: str, name: str) -> str:
        if tool != "reserve" and self._chance.random() < 0.04:
            return f"{self._chance.choice(('hanging', 'raising'))} {name}"
        return name

    async def _decide(self) -> None:
        while True:
            for task_id, attempt in await self._store.fetch(_WAITING):
                if (task_id, attempt) not in self._deciding:
                    self._deciding[task_id, attempt] = asyncio.create_task(self._decide_about(task_id))
            for deciding in self._deciding.values():
                if deciding.done():
                    deciding.result()
            await asyncio.sleep(0.1)

    async def _decide_about(self, task_id: str) -> None:
        self.decisions.update(await look_and_decide(self._deployment.api, self._effects, task_id))

    async def _until_ended(self, people: asyncio.Task[None]) -> None:
        async with asyncio.timeout(60):
            while await self._store.fetchval(_UNFINISHED):
                if people.done():
                    people.result()
                await asyncio.sleep(0.1)


def _boundary(call: str, keys: set[str], happened: bool) -> str:
    if f"t{call}" in keys:
        return "after its result is durable"
    if f"s{call}" not in keys:
        return "before its start is durable"
    return "after its effect" if happened else "after its start is durable"
