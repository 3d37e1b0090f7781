"""Agents with the tools of a server made with the protocol's own SDK, over HTTP."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import RunContext
from pydantic_ai.mcp import MCPToolset

from roadworthy import ToolPolicy
from roadworthy.domain.task import TaskStatus
from unit.execution.cluster import Cluster

from .test_mcp_over_stdio import ONCE, READ, answer, calling, served


class Program:
    def __init__(self) -> None:
        program = str(Path(__file__).with_name("sdk_server.py"))
        self._process = subprocess.Popen(
            [sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}/mcp"

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    program = Program()
    yield program
    program.end()


async def test_what_works_and_what_is_reported(program: Program) -> None:
    model = calling([("add", {"x": 1}), ("add", {"x": 2})], [("fail", {})])
    service = served(model, MCPToolset(program.url, id="books"), tools={"add": READ, "fail": READ})
    cluster = Cluster()
    async with cluster.working(service):
        assert "Error executing tool fail" in await answer(cluster, service)


async def test_tasks_at_the_same_time_and_after_each_other(program: Program) -> None:
    service = served(calling([("add", {"x": 1})]), MCPToolset(program.url), tools={"add": READ})
    cluster = Cluster()
    async with cluster.working(service):
        assert await asyncio.gather(*(answer(cluster, service) for _ in range(5))) == ["2"] * 5
        assert await answer(cluster, service) == "2"


async def test_a_session_of_its_own_for_each_run(program: Program) -> None:
    users: list[str] = []

    def headers(ctx: RunContext[Any]) -> dict[str, str]:
        users.append(str(ctx.run_id))
        return {"X-Run": str(ctx.run_id)}

    service = served(calling([("add", {"x": 1})]), MCPToolset(program.url, headers=headers), tools={"add": READ})
    cluster = Cluster()
    async with cluster.working(service):
        assert await asyncio.gather(answer(cluster, service), answer(cluster, service)) == ["2", "2"]
    assert len(set(users)) == 2


async def test_an_error_of_a_once_tool_waits_for_a_person(program: Program) -> None:
    service = served(calling([("fail", {})]), MCPToolset(program.url), tools={"fail": ONCE})
    cluster = Cluster()
    async with cluster.working(service):
        await cluster.reaches(await cluster.submit(service), TaskStatus.WAITING)


async def test_a_call_that_hangs_does_not_cost_the_server(program: Program) -> None:
    tools = {"hang": ToolPolicy(effect="read", seconds=0.3, fallback="skip"), "add": READ}
    service = served(calling([("hang", {})], [("add", {"x": 1})]), MCPToolset(program.url), tools=tools)
    cluster = Cluster()
    async with cluster.working(service):
        assert await answer(cluster, service) == "2"


async def test_a_server_that_died_is_a_failure_of_its_tools_alone(program: Program) -> None:
    tools = {"die": ToolPolicy(effect="read", fallback="skip"), "add": ToolPolicy(effect="read", fallback="skip")}
    service = served(calling([("die", {})], [("add", {"x": 1})]), MCPToolset(program.url, id="books"), tools=tools)
    cluster = Cluster()
    async with cluster.working(service):
        assert "add" in await answer(cluster, service)
        # Of a new task it is known at once.
        task = await cluster.submit(service)
        task = await cluster.until(task, lambda found: bool(found.failures) and found.status != "running")
        assert "the MCP server books can't be reached" in (task.reason or "")
