"""What a model hears of requests that its tools may not make, and what becomes of those that fail."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from aiohttp import web
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from roadworthy import AgentService, NotDone, ToolPolicy, current_call
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import TaskStatus
from roadworthy.tools import http
from unit.execution.cluster import Cluster

from .loopback import at_once, service


def steering(url: str) -> FunctionModel:
    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if len(messages) == 1:
            return ModelResponse([ToolCallPart("fetch", {"url": url})])
        (result,) = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
        return ModelResponse([TextPart(str(result.content))])

    return FunctionModel(reply)


def fetching(url: str, client: http.Client, policy: ToolPolicy, method: str = "GET") -> AgentService:
    agent = Agent(steering(url))

    @agent.tool_plain
    async def fetch(url: str) -> Any:
        try:
            return (await client.request(method, url)).raise_for_status().text
        except http.RequestNotSent as error:
            if policy.effect != "once":
                raise
            raise NotDone(error.message) from error

    return AgentService(agent, tools={"fetch": policy})


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "https://evil.example"]
)
async def test_a_refused_address_is_told_to_the_model(url: str) -> None:
    agents = fetching(url, http.Client(["shop.example"]), ToolPolicy(effect="read"))
    cluster = Cluster()
    async with cluster.working(agents):
        task = await cluster.ended(await cluster.submit(agents))
    assert task.status is TaskStatus.SUCCEEDED, task.reason
    assert "tool" in orjson.loads(task.output or b"")
    (call,) = [entry for entry in await cluster.journal.read(DEVELOPER, task.id) if entry.kind is EntryKind.TOOL]
    assert call.detail["outcome"] == "failed"


async def test_too_large_an_answer_is_told_to_the_model() -> None:
    async with service(at_once(lambda: web.Response(body=bytes(5000)))) as shop:
        client = http.Client([shop.url], allow_private=["127.0.0.1"], max_bytes=1000)
        agents = fetching(shop.url, client, ToolPolicy(effect="read"))
        cluster = Cluster()
        async with cluster.working(agents):
            task = await cluster.ended(await cluster.submit(agents))
    assert "more than 1000 bytes" in orjson.loads(task.output or b"")


async def test_what_is_read_is_tried_again_while_the_service_is_away() -> None:
    answers = iter([503, 200])
    async with service(at_once(lambda: web.Response(status=next(answers), text="here"))) as shop:
        client = http.Client([shop.url], allow_private=["127.0.0.1"])
        agents = fetching(shop.url, client, ToolPolicy(effect="read", retries=1))
        cluster = Cluster()
        async with cluster.working(agents):
            task = await cluster.ended(await cluster.submit(agents))
    assert (orjson.loads(task.output or b""), len(shop.came)) == ("here", 2)


async def test_a_once_call_that_was_not_sent_is_not_done() -> None:
    async with service() as gone:
        pass
    client = http.Client([gone.url], allow_private=["127.0.0.1"])
    agents = fetching(gone.url, client, ToolPolicy(effect="once"), "POST")
    cluster = Cluster()
    async with cluster.working(agents):
        task = await cluster.ended(await cluster.submit(agents))
    assert "nothing was sent" in orjson.loads(task.output or b"")
    (call,) = [entry for entry in await cluster.journal.read(DEVELOPER, task.id) if entry.kind is EntryKind.TOOL]
    assert call.detail["outcome"] == "not_done"


async def test_the_key_that_a_service_gets_is_that_of_the_call() -> None:
    keys: list[str] = []
    async with service() as shop:
        client = http.Client([shop.url], allow_private=["127.0.0.1"])
        agent = Agent(steering(shop.url))

        @agent.tool_plain
        async def fetch(url: str) -> str:
            keys.append(current_call().idempotency_key)
            return (await client.post(url)).text

        agents = AgentService(agent)
        cluster = Cluster()
        async with cluster.working(agents):
            await cluster.ended(await cluster.submit(agents))
        assert [each.headers["Idempotency-Key"] for each in shop.came] == keys
        assert keys
        assert keys[0].startswith("rw-")
