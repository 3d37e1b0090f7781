"""Whether a cache answered, and how operators have kept replies forgotten."""

from typing import Any
from uuid import UUID

import pytest
from api_in_memory import Api
from task_life import Life

from roadworthy.adapters.memory.cache import MemoryCache
from roadworthy.adapters.memory.operator_actions import MemoryOperatorActions
from roadworthy.core.operations.clear_caches import ClearCaches
from roadworthy.domain.cache_mark import marks_of
from roadworthy.domain.principal import DEVELOPER, Principal
from roadworthy.domain.task import TaskStatus, Usage

CLEAR = "/v1/operator/cache/clear"
HEADER = "x-roadworthy-cache"
KEY = b"key"
PLACES = {
    f"{agent} {version} {tenant}": (agent, version, tenant)
    for agent in ("faq", "shop")
    for version in ("1", "2")
    for tenant in ("acme", "other")
}


async def header_of(api: Api, usage: Usage) -> str | None:
    life = await api.life()
    await life.claim()
    await life.settle(TaskStatus.SUCCEEDED)
    api.world.database.tasks[life.task.id].usage = usage
    answer = await api.call("GET", f"/v1/tasks/{life.task.id}")
    assert answer.status == 200
    return answer.headers.get(HEADER)


@pytest.mark.parametrize(
    ("usage", "header"),
    [
        (Usage(), None),
        (Usage(model_calls=2), "miss"),
        (Usage(model_calls=2, cached_calls=1), "exact"),
        (Usage(model_calls=2, cached_calls=2, semantic_calls=1), "semantic"),
    ],
)
async def test_a_header_says_whether_a_cache_answered(usage: Usage, header: str | None):
    cached = Api(cached_lanes={"support@1"})
    assert await header_of(cached, usage) == header
    await cached.close()


async def test_there_is_no_header_for_services_without_a_cache(api: Api):
    assert await header_of(api, Usage(model_calls=2)) is None


async def test_who_waits_for_the_end_gets_the_header_too():
    api, key = Api(cached_lanes={"support@1"}), {"Idempotency-Key": "k"}
    receipt = (await api.call("POST", "/v1/tasks", {"input": "hello"}, key)).json()
    await api.told()
    life = Life(api.world, await api.world.task_store.find(DEVELOPER, UUID(receipt["id"])))
    await life.claim()
    await life.settle(TaskStatus.SUCCEEDED)
    answer = await api.call("POST", "/v1/tasks", {"input": "hello"}, {**key, "Prefer": "wait=5"})
    assert (answer.status, answer.headers[HEADER]) == (200, "miss")
    await api.close()


async def fill(api: Api) -> MemoryCache:
    cache = MemoryCache(api.world.broker)
    for name, (agent, version, tenant) in PLACES.items():
        looked = await cache.get([name.encode()], marks_of(agent, version, tenant))
        assert await cache.put({name.encode(): b"reply"}, 60, looked.stamp)
    return cache


async def left(cache: MemoryCache) -> set[str]:
    found = {name: (await cache.get([name.encode()], marks_of(*place))).values for name, place in PLACES.items()}
    return {name for name, values in found.items() if values != [None]}


@pytest.mark.parametrize(
    ("body", "gone"),
    [
        ({"all": True}, lambda agent, version, tenant: True),
        ({"agent": "faq"}, lambda agent, version, tenant: agent == "faq"),
        ({"agent": "faq", "version": "2"}, lambda agent, version, tenant: (agent, version) == ("faq", "2")),
        ({"tenant": "acme"}, lambda agent, version, tenant: tenant == "acme"),
        ({"agent": "faq", "tenant": "acme"}, lambda agent, version, tenant: (agent, tenant) == ("faq", "acme")),
        (
            {"agent": "faq", "version": "2", "tenant": "acme"},
            lambda agent, version, tenant: (agent, version, tenant) == ("faq", "2", "acme"),
        ),
    ],
)
async def test_just_what_is_named_is_forgotten(api: Api, body: dict[str, Any], gone: Any):
    cache = await fill(api)
    assert await left(cache) == set(PLACES)
    answer = await api.call("POST", CLEAR, {**body, "note": "new prices"})
    assert answer.status == 200
    which = {name: value for name, value in body.items() if name != "all"}
    assert answer.json() == {"cleared": which or "all"}
    assert await left(cache) == {name for name, place in PLACES.items() if not gone(*place)}
    (action,) = (await api.call("GET", "/v1/operator/actions")).json()["actions"]
    assert (action["action"], action["detail"], action["note"]) == ("clear_cache", which, "new prices")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "--all"),
        (None, "--all"),
        ({"all": False}, "--all"),
        ({"all": True, "agent": "faq"}, "nothing else"),
        ({"version": "2"}, "name the agent"),
        ({"version": "2", "tenant": "acme"}, "name the agent"),
        ({"agent": 7}, "agent must be text"),
        ({"tenant": ""}, "tenant must be text"),
        ({"tenant": "a\0b"}, "tenant must be text"),
        ({"agents": "faq"}, "unknown field"),
        ({"agent": "faq", "note": 7}, "note"),
    ],
)
async def test_what_can_not_be_meant_is_refused_and_nothing_is_forgotten(api: Api, body: Any, words: str):
    cache = await fill(api)
    answer = await api.call("POST", CLEAR, body)
    assert answer.status == 422
    assert words in answer.json()["detail"]
    assert await left(cache) == set(PLACES)


async def test_only_operators_clear():
    async def somebody(_: object) -> Principal:
        return Principal("acme", "alice")

    other = Api(authenticate=somebody)
    answer = await other.call("POST", CLEAR, {"all": True})
    assert (answer.status, answer.json()["code"]) == (403, "not_allowed")
    await other.close()


async def test_what_was_tried_while_the_cache_was_away_is_recorded(api: Api):
    cache = await fill(api)
    api.world.outages.broker_away = True
    answer = await api.call("POST", CLEAR, {"all": True})
    assert (answer.status, answer.json()["code"]) == (503, "broker_unavailable")
    assert answer.headers["retry-after"]
    api.world.outages.broker_away = False
    assert await left(cache) == set(PLACES)
    assert len((await api.call("GET", "/v1/operator/actions")).json()["actions"]) == 1


async def test_nothing_is_forgotten_that_can_not_be_recorded(api: Api):
    cache = await fill(api)
    api.world.outages.store_away = True
    assert (await api.call("POST", CLEAR, {"all": True})).status == 503
    api.world.outages.store_away = False
    assert await left(cache) == set(PLACES)


async def test_every_cache_is_told(api: Api):
    class Told(list[str]):
        async def drop(self, mark: str) -> None:
            self.append(mark)

    exact, semantic = Told(), Told()
    clear = ClearCaches([exact, semantic], MemoryOperatorActions(api.world.database))
    await clear.clear(DEVELOPER, "faq", "1", "acme")
    assert exact == semantic == ["version:faq@1 tenant:acme"]
