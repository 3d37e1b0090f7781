"""The same question twice is one call of the provider, for those who may know the answer, while nothing is cleared."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from roadworthy.adapters.postgres import PostgresTaskStore, open_pool
from roadworthy.adapters.redis import RedisServer, RedisWorkQueue
from roadworthy.domain.ids import new_id
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import NewTask

from .deployment import Deployment
from .http_api import Api, TaskStream, texts
from .watched import SECONDS

T = TypeVar("T")

HEADER = "x-roadworthy-cache"
ANSWER = "It was sent on Monday, and the carrier says that it will be with you on Thursday before noon."
COLLEAGUE, STRANGER = Principal("dev", "colleague"), Principal("other", "dev")


class Cached:
    def __init__(self, deployment: Deployment, api: Api) -> None:
        self.deployment = deployment
        self.api = api
        self.kept = 0
        self._not_counted = 0

    @property
    def provider_calls(self) -> int:
        """Without those of looks that were passed over, on a machine that is too busy to answer in time."""
        return len(self.deployment.provider.requests) - self._not_counted

    async def in_time(self, task: Callable[[], Awaitable[T]]) -> T:
        """What it gives, once the cache answered in time."""
        while True:
            passed_over, calls = await self.metric("exact", "passed_over"), self.provider_calls
            result = await task()
            if await self.metric("exact", "passed_over") == passed_over:
                return result
            self._not_counted += self.provider_calls - calls

    async def ask(self, agent: str = "own") -> dict[str, Any]:
        return await self.in_time(lambda: self.ask_once(agent))

    async def ask_once(self, agent: str = "own") -> dict[str, Any]:
        """The task once it has ended, with the header that it is shown with."""
        answer = await self.api.post(
            "/v1/tasks", {"agent": agent, "input": "Where is it?"}, headers={"prefer": "wait=60"}
        )
        assert answer.status == 200, answer
        assert answer.body["output"] == ANSWER
        shown = await self.api.get(f"/v1/tasks/{answer.body['id']}")
        assert shown.headers.get(HEADER) == answer.headers.get(HEADER)
        return {**answer.body, "header": answer.headers.get(HEADER)}

    async def ask_as(self, principal: Principal, agent: str) -> None:
        await self.in_time(lambda: self._ask_once_as(principal, agent))

    async def _ask_once_as(self, principal: Principal, agent: str) -> None:
        """As somebody else than the developer, whom only a later release lets in over HTTP."""
        pool = await open_pool(self.deployment.database_url, 1)
        store, queue = PostgresTaskStore(pool), RedisWorkQueue(RedisServer(self.deployment.servers.redis_url))
        task = NewTask(new_id(), principal, new_id(), True, agent, "1", "Where is it?", Limits())
        await store.submit([task])
        await queue.post([f"{agent}@1"])
        async with asyncio.timeout(SECONDS):
            while (await store.find(principal, task.id)).status != "succeeded":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await queue.close()
        await pool.close()

    async def metric(self, cache: str, outcome: str) -> float:
        text = (await self.api.get("/metrics")).body.decode()
        name = rf'roadworthy_cache_total{{cache="{cache}",outcome="{outcome}"}} (\S+)'
        found = re.search(name, text)
        return float(found[1]) if found else 0

    async def until_kept(self, more: int = 1) -> None:
        """Wait until so many more replies are in the cache: that is nothing a task waits for."""
        self.kept += more
        async with asyncio.timeout(SECONDS):
            while await self.metric("exact", "kept") < self.kept:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def clear(self, *options: str) -> None:
        command = await self.deployment.start("cache", "clear", *options, "--url", self.api.url)
        assert await command.ended() == 0, command.present_state()


@pytest.fixture
async def cached(bare_deployment: Deployment) -> Cached:
    await bare_deployment.servers.flush_broker()
    bare_deployment.targets = [f"{Path(__file__).with_name('cached_services.py')}:services"]
    bare_deployment.provider.control(script=[ANSWER])
    _, api = await bare_deployment.start_api(command="serve")
    return Cached(bare_deployment, api)


async def test_the_same_question_is_asked_once(cached: Cached) -> None:
    first = await cached.ask()
    await cached.until_kept()

    async def streamed() -> tuple[TaskStream, dict[str, Any]]:
        receipt = await cached.api.submit("own", "Where is it?")
        async with cached.api.follow(receipt["id"]) as stream:
            return stream, await stream.check()

    stream, again = await cached.in_time(streamed)
    assert texts(stream.seen) == [ANSWER, ""]
    assert len(stream.of_kind("text")) > 1
    assert cached.provider_calls == 1
    assert (first["header"], first["usage"]["cached_calls"]) == ("miss", 0)
    assert (again["usage"]["cached_calls"], again["usage"]["cost_usd"]) == (1, "0")
    assert again["usage"]["saved_usd"] == first["usage"]["cost_usd"] != "0"
    assert (await cached.ask())["header"] == "exact"
    (step,) = await cached.api.steps(stream.task_id)
    assert (step["cache"], step["text"]) == ("exact", ANSWER)
    assert (await cached.metric("exact", "hit"), await cached.metric("exact", "miss")) == (2, 1)
    assert (await cached.ask("uncached"))["header"] is None
    assert cached.provider_calls == 2


async def test_nobody_gets_what_is_not_theirs(cached: Cached) -> None:
    await cached.ask("own")
    await cached.ask("shared")
    await cached.until_kept(2)
    for asked, (principal, agent) in enumerate(
        [(COLLEAGUE, "shared"), (COLLEAGUE, "own"), (STRANGER, "shared"), (STRANGER, "own")]
    ):
        await cached.ask_as(principal, agent)
        assert cached.provider_calls == 2 + asked, (principal, agent)


async def test_what_is_cleared_is_asked_again(cached: Cached) -> None:
    await cached.ask()
    for asked, options in enumerate(
        [("--all",), ("--agent", "own"), ("--agent", "own", "--agent-version", "1"), ("--tenant", "dev")], 1
    ):
        await cached.until_kept()
        await cached.clear("--agent", "shared")
        await cached.clear("--tenant", "other")
        assert (await cached.ask())["header"] == "exact"
        assert cached.provider_calls == asked
        await cached.clear(*options)
        assert (await cached.ask())["header"] == "miss"
    actions = (await cached.api.get("/v1/operator/actions")).body["actions"]
    assert len(actions) == 12
    assert {(action["action"], action["operator"]) for action in actions} == {("clear_cache", "dev")}


async def test_without_redis_the_model_is_asked_and_nothing_else_changes(cached: Cached) -> None:
    servers, (process, *_) = cached.deployment.servers, cached.deployment.processes
    await cached.ask()
    await cached.until_kept()
    outages = len(process.logged("cache_passed_over"))  # of a machine that is too busy
    await servers.take_away("valkey")
    # Together: without tickets each of them is claimed only when a worker looks by itself.
    asked = await asyncio.gather(cached.ask_once(), cached.ask_once())
    assert [task["header"] for task in asked] == ["miss", "miss"]
    assert cached.provider_calls == 3
    assert len(process.logged("cache_passed_over")) == 1 + outages
    await servers.bring_back("valkey")
    async with asyncio.timeout(SECONDS):
        while (await cached.ask_once())["header"] != "exact":
            pass
    assert len(process.logged("cache_passed_over")) == len(process.logged("cache_back"))
