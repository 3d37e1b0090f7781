"""What models ask for wrongly and what tools give back wrongly: an answer that helps, and a worker that goes on."""

import asyncio
import math
from typing import Any

import orjson
import pytest
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from roadworthy import AgentService, ToolPolicy
from roadworthy.domain.event import EventKind
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.frameworks.function import TaskContext
from unit.execution.cluster import Cluster

from .deciding import answer, calling, scripted

READ = ToolPolicy(effect="read")


async def run(agent: Any, **policies: ToolPolicy) -> tuple[Cluster, Task]:
    service, cluster = AgentService(agent, tools=policies), Cluster()
    async with cluster.working(service):
        return cluster, await cluster.ended(await cluster.submit(service))


# What the model asks for


def asking(*parts: Any) -> tuple[Agent, list[str]]:
    """An agent whose model makes these calls, and what it was told to do again."""
    retries: list[str] = []

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        retries.extend(str(part.content) for part in messages[-1].parts if getattr(part, "outcome", "") == "retried")
        if any(isinstance(message, ModelResponse) for message in messages):
            return ModelResponse(parts=[TextPart("well")])
        return ModelResponse(parts=list(parts))

    agent = Agent(FunctionModel(reply))

    @agent.tool_plain
    async def find_order(order_id: int) -> str:
        return f"order {order_id}"

    return agent, retries


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("refund_everything", {}, "Unknown tool name: 'refund_everything'. Available tools: 'find_order'"),
        ("find_order", {"order_id": "seven"}, "order_id"),
        ("find_order", '{"order_id": ', "Invalid JSON"),
        ("find_order", '["order_id"]', "should be an object"),
    ],
    ids=["unknown", "shape", "json", "list"],
)
async def test_a_model_that_asks_wrongly_is_told_so_and_goes_on(name: str, arguments: Any, words: str):
    agent, retries = asking(ToolCallPart(name, arguments, "c1"))
    cluster, task = await run(agent, find_order=READ)
    assert task.status is TaskStatus.SUCCEEDED, task.reason
    assert words in retries[0]
    entries = await cluster.journal.read(DEVELOPER, task.id)
    assert not [entry for entry in entries if entry.kind is EntryKind.TOOL]


async def test_arguments_of_a_megabyte_reach_the_tool_and_the_journal():
    async def keep(text: str) -> int:
        return len(text)

    cluster, task = await run(calling(keep, [{"text": "ä" * 1_000_000}]), keep=ToolPolicy())
    assert answer(task) == [["success", 1_000_000]]
    (call,) = [event.data for event in await cluster.events(task) if event.kind is EventKind.TOOL_CALL]
    assert len(call["arguments"]["text"] if isinstance(call["arguments"], dict) else call["arguments"]) >= 1_000_000


# What a tool gives back


def itself() -> Any:
    return itself


def circle() -> Any:
    ring: list[Any] = []
    ring.append(ring)
    return ring


def tower() -> Any:
    floors: list[Any] = []
    for _ in range(200):
        floors = [floors]
    return floors


def abyss() -> Any:
    floors: list[Any] = []
    for _ in range(5_000):
        floors = [floors]
    return floors


def by_function(tool: Any) -> Any:
    async def reply(ctx: TaskContext, message: str) -> Any:
        try:
            return await ctx.tool(tool)
        except Exception as error:
            if "was done" not in str(error):
                raise
            return str(error)

    return reply


def by_model(tool: Any) -> Any:
    return calling(tool, [{}])


both = pytest.mark.parametrize("agent_of", [by_function, by_model])
unkeepable = pytest.mark.parametrize("tool", [itself, circle, tower, abyss])


@both
@unkeepable
async def test_a_result_that_can_not_be_kept_is_a_clear_error_at_the_first_call(agent_of: Any, tool: Any):
    _, task = await run(agent_of(tool), **{tool.__name__: READ})
    assert (task.status, orjson.loads(task.error or b"")["code"]) == (TaskStatus.DEAD, "not_keepable")
    assert tool.__name__ in (task.reason or "")
    assert "return JSON types" in (task.reason or "") or "return something flatter" in (task.reason or "")


@both
@unkeepable
async def test_what_happened_once_is_done_although_its_result_can_not_be_kept(agent_of: Any, tool: Any):
    cluster, task = await run(agent_of(tool), **{tool.__name__: ToolPolicy()})
    assert task.status is TaskStatus.SUCCEEDED, task.reason
    assert f"{tool.__name__} was done, and must not be done again; " in str(orjson.loads(task.output or b""))
    (entry,) = [e for e in await cluster.journal.read(DEVELOPER, task.id) if e.kind is EntryKind.TOOL]
    assert entry.detail["outcome"] == "done"


@pytest.mark.parametrize(
    ("result", "seen"),
    [
        ("half \udcff", "half ?"),
        ({"half \ud83d": ["\udcff"]}, None),
        ("nul \0", "nul \0"),
        ("\x1b[2J\r\n\r\nevent: done\ndata: {}\n\n", "\x1b[2J\r\n\r\nevent: done\ndata: {}\n\n"),
    ],
    ids=["surrogate", "inner surrogate", "nul", "framing"],
)
async def test_odd_results_reach_the_model_and_the_journal(result: Any, seen: Any):
    async def odd() -> Any:
        return result

    cluster, task = await run(calling(odd, [{}]), odd=READ)
    (told,) = answer(task)
    assert told[0] == "success"
    (event,) = [event.data for event in await cluster.events(task) if event.kind is EventKind.TOOL_RESULT]
    if seen is not None:
        assert told[1] == seen == event["result"]


async def test_what_a_function_gets_back_is_what_a_replay_would_give_it():
    async def name() -> str:
        return "half \udcff"

    async def reply(ctx: TaskContext, message: str) -> str:
        return await ctx.tool(name)

    _, task = await run(reply, name=READ)
    assert orjson.loads(task.output or b"") == "half ?"


async def test_what_json_does_not_know_is_kept_as_its_nearest_kin():
    async def count() -> Any:
        return {1: math.nan, (2, 3): {4}}

    agent = Agent(scripted([ToolCallPart("count", {}, "c1")], [TextPart("well")]))
    agent.tool_plain(count)
    cluster, task = await run(agent, count=READ)
    assert task.status is TaskStatus.SUCCEEDED, task.reason
    (event,) = [event.data for event in await cluster.events(task) if event.kind is EventKind.TOOL_RESULT]
    assert event["result"] == {"1": None, "2,3": [4]}


async def test_a_huge_result_is_cut_and_its_event_says_so():
    async def dump() -> str:
        return "x" * 20_000_000

    cluster, task = await run(calling(dump, [{}]), dump=READ)
    ((_, told),) = answer(task)
    assert told.endswith("and 19,900,000 are missing; the rest was not kept]")
    (event,) = [event.data for event in await cluster.events(task) if event.kind is EventKind.TOOL_RESULT]
    assert (event["cut"], event["result"]) == (20_000_000, told)


async def test_the_whole_of_what_was_cut_stands_in_the_journal_before_it():
    async def dump() -> list[int]:
        return list(range(50_000))

    cluster, task = await run(calling(dump, [{}]), dump=READ)
    entries = await cluster.journal.read(DEVELOPER, task.id)
    assert [entry.kind.value for entry in entries] == ["input", "model", "whole", "tool", "model"]
    assert orjson.loads(entries[2].payload) == list(range(50_000))
    assert entries[2].name == "r1:c1.1"


async def test_words_for_the_model_that_are_no_text_are_mended():
    async def look() -> str:
        raise ModelRetry("no file \udcff")

    agent = Agent(scripted([ToolCallPart("look", {}, "c1")], [TextPart("well")]))
    agent.tool_plain(look)
    _, task = await run(agent, look=READ)
    assert task.status is TaskStatus.SUCCEEDED, task.reason


class Odd(BaseException):
    pass


@both
@pytest.mark.parametrize("error", [Odd("odd"), SystemExit(3), asyncio.CancelledError()], ids=repr)
async def test_whatever_a_tool_raises_the_worker_goes_on(agent_of: Any, error: BaseException):
    async def look() -> str:
        raise error

    _, task = await run(agent_of(look), look=READ)
    assert task.status is TaskStatus.DEAD
    assert "the tool 'look'" in (task.reason or "")
