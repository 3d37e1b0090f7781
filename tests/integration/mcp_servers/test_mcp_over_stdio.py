"""Agents with the tools of an MCP server: a process of its own that dies, hangs and talks nonsense."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.capabilities import MCP
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, RetryPromptPart, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from roadworthy import AgentService, Limits, ToolPolicy
from roadworthy.domain.journal import EntryKind, JournalEntry
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.frameworks import runner_for
from roadworthy.frameworks.pydantic_ai import mcp_connection
from roadworthy.frameworks.pydantic_ai.mcp_tools import IDEMPOTENCY_KEY
from unit.execution.cluster import Cluster

READ = ToolPolicy(effect="read", seconds=30)
ONCE = ToolPolicy(effect="once", seconds=30)


@dataclass
class OddServer:
    log: Path
    toolset: MCPToolset[Any]

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    async def goes_away(self) -> None:
        transport: Any = self.toolset.client.transport
        transport.args = [*transport.args[:-1], "cannot-start"]
        await transport.close()

    def count(self, method: str, name: str | None = None) -> int:
        return sum(each["method"] == method and each.get("name") == name for each in self.asked)


@asynccontextmanager
async def odd_server(folder: Path, manner: str = "", **more: Any) -> AsyncIterator[OddServer]:
    log = folder / "asked"
    program = str(Path(__file__).with_name("odd_server.py"))
    transport = StdioTransport(sys.executable, [program, str(log), manner], log_file=folder / "errors")
    server = OddServer(log, MCPToolset(transport, **more))
    try:
        yield server
    finally:
        await transport.close()


def calling(
    *replies: list[tuple[str, dict[str, Any]]], then: Callable[[], Awaitable[None]] | None = None
) -> FunctionModel:
    """A model that has these tools called, one reply after the other, and then says what it was told last."""

    async def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        turn = sum(isinstance(message, ModelResponse) for message in messages)
        if turn < len(replies):
            return ModelResponse([ToolCallPart(name, arguments) for name, arguments in replies[turn]])
        if then is not None:
            await then()
        return ModelResponse([TextPart("; ".join(told(messages)) or "nothing")])

    return FunctionModel(reply)


def told(messages: list[ModelMessage]) -> list[str]:
    return [str(part.content) for part in messages[-1].parts if isinstance(part, ToolReturnPart | RetryPromptPart)]


def served(model: FunctionModel, toolset: Any, **more: Any) -> AgentService:
    return AgentService(Agent(model, toolsets=[toolset]), limits=Limits(step_seconds=60), **more)


async def answer(cluster: Cluster, service: AgentService) -> str:
    return await answer_of(cluster, await cluster.submit(service))


async def answer_of(cluster: Cluster, submitted: Task) -> str:
    task = await cluster.ended(submitted)
    assert task.status is TaskStatus.SUCCEEDED, task.reason
    return orjson.loads(task.output or b"")


async def entries(cluster: Cluster, task: Task, kind: EntryKind) -> list[JournalEntry]:
    return [entry for entry in await cluster.journal.read(DEVELOPER, task.id) if entry.kind is kind]


# Calls and replays


async def test_its_tools_are_called_and_journaled_by_their_names_with_their_policies(tmp_path: Path) -> None:
    async with odd_server(tmp_path) as server:
        model = calling([("shop_add", {"x": 41}), ("shop_add", {"x": 1})])
        service = served(model, server.toolset.prefixed("shop"), tools={"shop_add": READ})
        cluster = Cluster()
        async with cluster.working(service):
            task = await cluster.ended(await cluster.submit(service))
        assert orjson.loads(task.output or b"") == "42; 2"
        calls = await entries(cluster, task, EntryKind.TOOL)
        assert [(each.detail["tool"], each.detail["effect"]) for each in calls] == [("shop_add", "read")] * 2
        assert sorted(each.detail["result"] for each in calls) == ["2", "42"]
        (offered,) = await entries(cluster, task, EntryKind.OFFERED)
        assert "add" in offered.detail["tools"]
        # One connection for the whole run, and its list asked for once.
        assert (server.count("initialize"), server.count("tools/list")) == (1, 1)


async def test_the_capability_of_pydantic_ai_brings_its_tools_under_the_gate_too(tmp_path: Path) -> None:
    async with odd_server(tmp_path) as server:
        shop = MCP(local=server.toolset, tool_prefix="shop", allowed_tools=["add"])
        agent = Agent(calling([("shop_add", {"x": 1})], [("shop_die", {})]), capabilities=[shop])
        service = AgentService(agent, tools={"shop_add": READ})
        cluster = Cluster()
        async with cluster.working(service):
            assert "Unknown tool name: 'shop_die'" in await answer(cluster, service)
        assert (server.count("tools/call", "add"), server.count("tools/call", "die")) == (1, 0)


async def test_each_call_tells_the_server_its_idempotency_key(tmp_path: Path) -> None:
    async with odd_server(tmp_path) as server:
        policy = ToolPolicy(effect="idempotent", repeatable=True)
        service = served(calling([("add", {"x": 1})], [("add", {"x": 2})]), server.toolset, tools={"add": policy})
        cluster = Cluster()
        async with cluster.working(service):
            await answer(cluster, service)
        keys = [each["meta"][IDEMPOTENCY_KEY] for each in server.asked if each.get("name") == "add"]
        assert len(set(keys)) == 2
        assert all(key.startswith("rw-") for key in keys)


async def test_a_replay_asks_nothing_of_it(tmp_path: Path) -> None:
    """A worker hands over after two steps; the next one goes on from the journal, with the server gone."""
    async with odd_server(tmp_path) as server:
        asked_last, go_on = asyncio.Event(), asyncio.Event()

        async def last() -> None:
            asked_last.set()
            await go_on.wait()

        model = calling([("add", {"x": 1})], [("add", {"x": 2}), ("add", {"x": 3})], then=last)
        service = served(model, server.toolset, tools={"add": READ})
        cluster = Cluster()
        worker = cluster.worker(service, drain_seconds=0.1)
        running = asyncio.create_task(worker.run())
        task = await cluster.submit(service)
        await asked_last.wait()
        worker.drain()
        await running
        assert [each.name for each in await entries(cluster, task, EntryKind.OFFERED)] == ["o1:0"]
        # From here on it could not be started again.
        await server.goes_away()
        before = len(server.asked)
        go_on.set()
        async with cluster.working(service):
            task = await cluster.ended(task)
        assert (task.status, orjson.loads(task.output or b""), task.attempt) == (TaskStatus.SUCCEEDED, "3; 4", 2)
        # The new step tried to have its list; what the journal knows was good enough for the model.
        assert [each["method"] for each in server.asked[before:]] == ["start"]


async def test_an_agent_with_a_server_has_the_same_code_digest_each_time(tmp_path: Path) -> None:
    async with odd_server(tmp_path) as one, odd_server(tmp_path) as other:
        model = calling()
        digests = {runner_for(served(model, each.toolset)).code for each in (one, other)}
        assert len(digests) == 1


async def test_tasks_at_the_same_time_share_its_session(tmp_path: Path) -> None:
    both = asyncio.Barrier(2)

    async def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if len(messages) == 1:
            await both.wait()
            return ModelResponse([ToolCallPart("add", {"x": 1})])
        await both.wait()
        return ModelResponse([TextPart(told(messages)[0])])

    async with odd_server(tmp_path) as server:
        service = served(FunctionModel(reply), server.toolset, tools={"add": READ})
        cluster = Cluster()
        async with cluster.working(service):
            assert await asyncio.gather(answer(cluster, service), answer(cluster, service)) == ["2", "2"]
        assert (server.count("start"), server.count("initialize")) == (1, 1)


# What goes wrong


async def test_a_server_that_died_is_connected_to_anew_for_the_next_try(tmp_path: Path) -> None:
    async with odd_server(tmp_path) as server:
        policy = ToolPolicy(effect="read", seconds=30, retries=1)
        model = calling([("add", {"x": 1})], [("die", {})])
        service = served(model, server.toolset, tools={"die": policy, "add": READ}, fallback_answer="Sorry.")
        cluster = Cluster()
        async with cluster.working(service):
            task = await cluster.submit(service)
            task = await cluster.until(task, lambda found: bool(found.failures) and found.status != "running")
            assert server.count("tools/call", "die") == 2
            assert "died or hung up" in (task.reason or "")
            assert server.count("start") == 2
            # The worker and the other tasks are well.
            other = served(calling([("add", {"x": 4})]), server.toolset, name="other", tools={"add": READ})
        async with cluster.working(other):
            assert await answer(cluster, other) == "5"


async def test_a_once_call_whose_server_died_waits_for_a_person(tmp_path: Path) -> None:
    async with odd_server(tmp_path) as server:
        service = served(calling([("die", {})]), server.toolset)
        cluster = Cluster()
        async with cluster.working(service):
            task = await cluster.reaches(await cluster.submit(service), TaskStatus.WAITING)
        assert "die" in (task.reason or "")
        assert server.count("tools/call", "die") == 1


async def test_a_server_that_hangs_runs_into_the_tools_limit_and_is_replaced_where_it_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_connection, "PING_SECONDS", 0.2)
    async with odd_server(tmp_path) as server:
        tools = {"hang": ToolPolicy(effect="read", seconds=0.3, fallback="skip"), "add": READ}
        service = served(calling([("hang", {})], [("add", {"x": 1})]), server.toolset, tools=tools)
        cluster = Cluster()
        async with cluster.working(service):
            assert await answer(cluster, service) == "2"
        assert server.count("start") == 2


async def test_a_nonsensical_answer_is_like_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_connection, "PING_SECONDS", 30)
    async with odd_server(tmp_path) as server:
        tools = {"rubbish": ToolPolicy(effect="read", seconds=0.3, fallback="skip"), "add": READ}
        service = served(calling([("rubbish", {})], [("add", {"x": 1})]), server.toolset, tools=tools)
        cluster = Cluster()
        async with cluster.working(service):
            assert await answer(cluster, service) == "2"
        # It answers otherwise, so it stays.
        assert server.count("start") == 1


@pytest.mark.parametrize("tool", ["complain", "break"])
async def test_an_error_of_a_read_tool_is_told_to_the_model(tmp_path: Path, tool: str) -> None:
    async with odd_server(tmp_path) as server:
        service = served(calling([(tool, {})]), server.toolset, tools={tool: READ})
        cluster = Cluster()
        async with cluster.working(service):
            said = await answer(cluster, service)
        assert said in ("there is no such order", "something broke")


@pytest.mark.parametrize("tool", ["complain", "break"])
async def test_an_error_of_a_once_tool_may_come_after_its_effect(tmp_path: Path, tool: str) -> None:
    async with odd_server(tmp_path) as server:
        service = served(calling([(tool, {})], [(tool, {})]), server.toolset, tools={tool: ONCE})
        cluster = Cluster()
        async with cluster.working(service):
            await cluster.reaches(await cluster.submit(service), TaskStatus.WAITING)
        assert server.count("tools/call", tool) == 1


async def test_who_vouches_for_a_servers_errors_has_the_model_told(tmp_path: Path) -> None:
    async with odd_server(tmp_path, tool_error_behavior="failed") as server:
        service = served(calling([("complain", {})]), server.toolset, tools={"complain": ONCE})
        cluster = Cluster()
        async with cluster.working(service):
            assert "no such order" in await answer(cluster, service)


async def test_arguments_of_the_wrong_shape_do_not_reach_the_server(tmp_path: Path) -> None:
    async with odd_server(tmp_path) as server:
        service = served(calling([("add", {"x": "one"})]), server.toolset, tools={"add": ONCE})
        cluster = Cluster()
        async with cluster.working(service):
            assert "x: 'one' is not of type 'integer'" in await answer(cluster, service)
        assert server.count("tools/call", "add") == 0


@pytest.mark.parametrize("manner", ["cannot-start", "silent", "rubbish"])
async def test_a_server_that_cannot_be_connected_to_costs_a_try_and_no_worker(tmp_path: Path, manner: str) -> None:
    async with odd_server(tmp_path, manner, init_timeout=0.3) as server:
        broken = served(calling(), server.toolset, name="broken")
        well = AgentService(Agent(calling()), name="well")
        cluster = Cluster()
        async with cluster.working(broken, well):
            task = await cluster.submit(broken)
            task = await cluster.until(task, lambda found: bool(found.failures) and found.status != "running")
            assert "can't be reached" in (task.reason or "")
            assert task.status is TaskStatus.QUEUED
            assert await answer(cluster, well) == "nothing"


async def test_a_server_that_does_not_come_back_is_a_failure_of_its_tools_alone(tmp_path: Path) -> None:
    """And of a `once` call that could not even be sent to it: it is known not to be done."""
    async with odd_server(tmp_path) as server:
        said: list[str] = []

        async def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            said.extend(told(messages))
            match len(messages):
                case 1:
                    transport: Any = server.toolset.client.transport
                    transport.args = [*transport.args[:-1], "cannot-start"]
                    return ModelResponse([ToolCallPart("die", {})])
                case 3:
                    return ModelResponse([ToolCallPart("add", {"x": 1})])
                case _:
                    return ModelResponse([TextPart("I could not.")])

        tools = {"die": ToolPolicy(effect="read", fallback="skip"), "add": ONCE}
        service = served(FunctionModel(reply), server.toolset, tools=tools)
        cluster = Cluster()
        async with cluster.working(service):
            submitted = await cluster.submit(service)
            assert await answer_of(cluster, submitted) == "I could not."
        calls = await entries(cluster, submitted, EntryKind.TOOL)
        assert [(each.detail["tool"], each.detail["outcome"]) for each in calls] == [
            ("die", "fallback"),
            ("add", "not_done"),
        ]
        assert "can't be reached" in said[1]
