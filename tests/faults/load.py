"""Clients that go on asking whatever happens: mixed tasks, sessions with several messages, several owners."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Sequence
from typing import Any

import aiohttp

from acceptance.http_api import Api, TaskStream
from faults.evidence import Accepted
from faults.recipes import MIXED, Recipe
from roadworthy import Limits
from roadworthy.adapters.postgres import PostgresTaskStore
from roadworthy.adapters.postgres.pool import Pool
from roadworthy.domain.errors import StoreUnavailable
from roadworthy.domain.ids import TaskId, new_id
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import NewTask, TaskStatus
from roadworthy.ports.task_store import Submitted

AGENTS = ("openai", "function", "anthropic")
SECONDS = 90.0
"""A deadline for what every fault of these tests lets happen sooner."""
_LIMITS = {"step_seconds": 4}
_REQUEST = aiohttp.ClientTimeout(total=4)
_RETRY_SECONDS = 0.05


class Load:
    """Asks again, with the same idempotency key, for whatever was refused or not answered; follows every task to its
    end; gives up tasks that ask for a person."""

    def __init__(
        self,
        apis: Sequence[Api],
        database_url: str,
        *,
        per_second: float,
        recipes: Sequence[Recipe] = MIXED,
        agents: Sequence[str] = AGENTS,
    ) -> None:
        self.accepted: list[Accepted] = []
        self.streams: dict[str, TaskStream] = {}
        self.refused = 0
        """Requests that had to be repeated."""
        self.version = "1"
        """Which servers choose now."""
        self._apis = apis
        self._database_url = database_url
        self._per_second = per_second
        self._recipes = recipes
        self._agents = agents
        self._numbers = itertools.count(1)
        self._clients: set[asyncio.Task[None]] = set()
        self._asking: asyncio.Task[None] | None = None
        self._pool = Pool(database_url, 2)
        self._store = PostgresTaskStore(self._pool)

    def start(self) -> None:
        self._asking = asyncio.create_task(self._ask_steadily())

    async def stop_asking(self) -> None:
        """No new messages; those that were sent go on."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def all_done(self) -> None:
        """Wait until every client has what it came for. Raises whatever one of them was not content with."""
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*self._clients)

    async def close(self) -> None:
        await self.stop_asking()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await self._pool.close()

    def ask(self, recipe: Recipe, agent: str = "openai") -> None:
        """One more message."""
        self._begin(self._talk([recipe], agent))

    async def _ask_steadily(self) -> None:
        for number in itertools.count():
            recipe, agent = self._recipes[number % len(self._recipes)], self._agents[number % len(self._agents)]
            if number % 6 == 5:
                self._begin(self._ask_as_somebody_else(recipe, agent, f"user-{number % 4}"))
            elif number % 6 == 2:
                after = [self._recipes[(number + n) % len(self._recipes)] for n in (1, 2)]
                self._begin(self._talk([recipe, *after], agent))
            else:
                self._begin(self._talk([recipe], agent))
            await asyncio.sleep(1 / self._per_second)

    def _begin(self, client: Coroutine[Any, Any, None]) -> None:
        self._clients.add(asyncio.create_task(client))

    async def _talk(self, recipes: Sequence[Recipe], agent: str) -> None:
        """One session, all of whose messages are sent before the first answer is there."""
        session: str | None = None
        async with asyncio.TaskGroup() as group:
            for recipe in recipes:
                accepted = await self._submit(recipe, agent, session)
                session = accepted.session_id
                group.create_task(self._follow(accepted))

    async def _submit(self, recipe: Recipe, agent: str, session: str | None) -> Accepted:
        number = next(self._numbers)
        message = f"{recipe.word} {number}."
        body = {"agent": agent, "input": message, "limits": _LIMITS}
        if session is not None:
            body["session_id"] = session
        for turn in itertools.count(number):
            api = self._apis[turn % len(self._apis)]
            try:
                answer = await api.post(
                    "/v1/tasks", body, headers={"idempotency-key": f"request {number}"}, timeout=_REQUEST
                )
            except (aiohttp.ClientError, TimeoutError):
                answer = None
            if answer is not None and answer.status == 202:
                accepted = Accepted(answer.body["id"], answer.body["session_id"], agent, message, recipe)
                self.accepted.append(accepted)
                return accepted
            assert answer is None or answer.status == 503, answer
            self.refused += 1
            await asyncio.sleep(_RETRY_SECONDS)
        raise AssertionError

    async def _follow(self, accepted: Accepted) -> None:
        stream = self.streams[accepted.id] = TaskStream(self._apis, accepted.id, first=len(self.streams))
        async with stream:

            def waits_or_ended() -> bool:
                return bool(stream.done) or any(e.data.get("status") == "waiting" for e in stream.of_kind("status"))

            what = f"{accepted} ends"
            await stream.until(waits_or_ended, what, SECONDS)
            if not stream.done:
                await self._give_up(accepted.id)
                await stream.until(lambda: stream.done, what, SECONDS)

    async def _give_up(self, task_id: str) -> None:
        for turn in itertools.count():
            api = self._apis[turn % len(self._apis)]
            try:
                if (await api.post(f"/v1/tasks/{task_id}/cancel", timeout=_REQUEST)).status == 202:
                    return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(_RETRY_SECONDS)

    async def _ask_as_somebody_else(self, recipe: Recipe, agent: str, user: str) -> None:
        """Past the API, which lets only the developer in: as a server with other users would write it."""
        number = next(self._numbers)
        message = f"{recipe.word} {number}."
        who = Principal("another tenant", user)
        new = NewTask(
            new_id(), who, new_id(), True, agent, self.version, message, Limits(steps=10, step_seconds=4, cost_usd="1")
        )
        while True:
            try:
                (outcome,) = await self._store.submit([new])
                break
            except StoreUnavailable:
                self.refused += 1
                await asyncio.sleep(_RETRY_SECONDS)
        assert isinstance(outcome, Submitted), outcome
        self.accepted.append(Accepted(str(new.id), str(new.session_id), agent, message, recipe, user))
        await self._until_over(who, new.id)

    async def _until_over(self, who: Principal, task_id: TaskId) -> None:
        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    task = await self._store.find(who, task_id)
                    if task.ended_at is not None:
                        return
                    if task.status is TaskStatus.WAITING:
                        await self._store.cancel(who, task_id)
                except StoreUnavailable:
                    pass
                await asyncio.sleep(_RETRY_SECONDS * 4)
