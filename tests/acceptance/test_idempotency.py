"""The same request sent again is the same task."""

from __future__ import annotations

import asyncio

from .deployment import Deployment
from .http_api import Api

BODY = {"agent": "openai", "input": "Pay.", "metadata": {"order": 1, "of": "today"}}
KEY = {"idempotency-key": "order-1"}


async def test_sent_twice(deployment: Deployment) -> None:
    api = deployment.api
    first = await api.post("/v1/tasks", BODY, headers=KEY)
    again = await api.post("/v1/tasks", {**BODY, "metadata": {"of": "today", "order": 1}}, headers=KEY)
    assert (first.status, again.status) == (202, 202)
    assert first.body == again.body
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    await deployment.start_worker()
    ended = await api.ended(first.body["id"])
    # Also after its end, and also when the answer is waited for.
    waited = await api.post("/v1/tasks", BODY, headers=KEY | {"prefer": "wait=10"})
    assert (waited.status, waited.body["output"]) == (200, ended["output"])
    assert len(deployment.provider.requests) == 1


async def test_sent_again_with_another_body(deployment: Deployment) -> None:
    api = deployment.api
    await api.post("/v1/tasks", BODY, headers=KEY)
    for other in ({**BODY, "input": "Pay more."}, {**BODY, "agent": "function"}, {**BODY, "metadata": {}}):
        refused = await api.post("/v1/tasks", other, headers=KEY)
        assert (refused.status, refused.body["code"]) == (409, "idempotency_key_reused")
    assert len((await api.get("/v1/tasks")).body["tasks"]) == 1


async def test_sent_by_twenty_at_once_to_two_servers(deployment: Deployment) -> None:
    _, other = await deployment.start_api()
    apis: list[Api] = [deployment.api, other]
    answers = await asyncio.gather(*(apis[n % 2].post("/v1/tasks", BODY, headers=KEY) for n in range(20)))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.body["id"] for answer in answers}) == 1
    assert len([answer for answer in answers if "idempotent-replayed" not in answer.headers]) == 1
    assert len((await deployment.api.get("/v1/tasks")).body["tasks"]) == 1
    assert len((await deployment.api.get("/v1/sessions")).body["sessions"]) == 1


async def test_sent_again_because_the_server_died(deployment: Deployment) -> None:
    """The commit was made or not: the client cannot know, and need not."""
    server, other = await deployment.start_api()
    async with deployment.gate(status="running") as gate:
        await deployment.start_worker()
        sent = asyncio.create_task(other.post("/v1/tasks", BODY, headers=KEY))
        await gate.until_reached()
        await server.kill()
        await asyncio.wait([sent])
    again = await deployment.api.post("/v1/tasks", BODY, headers=KEY)
    assert again.headers["idempotent-replayed"] == "true"
    assert (await deployment.api.ended(again.body["id"]))["status"] == "succeeded"
    assert len(deployment.provider.requests) == 1
