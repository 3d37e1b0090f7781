"""A task that is resumed: from the failed step with its journal, or from the start in a new generation."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import orjson

from roadworthy import AgentService, ToolPolicy
from roadworthy.adapters.memory.dead_letters import MemoryDeadLetters
from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.domain.event import EventKind
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.ports.dead_letters import Resume, Resumed

from .cluster import Cluster


class Desk:
    """An agent whose second model call is refused until the provider is mended, and what it did meanwhile."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.asked: list[str] = []
        self.mended = False

    def service(self, version: str = "1", **fields: Any) -> AgentService:
        async def reply(ctx: Any, message: str) -> str:
            await ctx.model("m", self._answer("look"))
            await ctx.tool(self.pay, item="lamp")
            answer = await ctx.model("m", self._answer(f"paid as asked: {message}", last=True))
            return answer["choices"][0]["message"]["content"]

        return AgentService(reply, version=version, tools={"pay": ToolPolicy(effect="idempotent")}, **fields)

    async def pay(self, item: str) -> str:
        self.calls["pay"] += 1
        return f"{item} is paid"

    def _answer(self, text: str, last: bool = False) -> Any:
        async def call(stream: Any) -> dict[str, Any]:
            self.calls["last" if last else "first"] += 1
            if last and not self.mended:
                raise PermissionError("the key is not known")
            usage = {"prompt_tokens": 3, "completion_tokens": 2}
            return {"choices": [{"message": {"role": "assistant", "content": text}}], "usage": usage}

        return call


async def dead(cluster: Cluster, desk: Desk, **fields: Any) -> Task:
    service = desk.service()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service, **fields))
    assert (task.status, desk.calls) == (TaskStatus.DEAD, {"first": 1, "pay": 1, "last": 1})
    desk.mended = True
    return task


async def resumed(cluster: Cluster, task: Task, **changed: Any) -> Task:
    order = Resume(task, task.input, task.limits, task.version, from_start=False, reason="resumed", detail={})
    outcome = await MemoryDeadLetters(cluster.database).resume(DEVELOPER, replace(order, **changed))
    assert isinstance(outcome, Resumed)
    await MemoryWorkQueue(cluster.broker).post({outcome.task.lane})
    return outcome.task


async def keys(cluster: Cluster, task: Task) -> list[str]:
    return [entry.key for entry in await cluster.journal.read(DEVELOPER, task.id)]


async def test_from_the_failed_step_no_finished_call_is_made_again():
    cluster, desk = Cluster(), Desk()
    task = await resumed(cluster, await dead(cluster, desk))
    async with cluster.working(desk.service()):
        task = await cluster.ended(task)
    assert (task.status, orjson.loads(task.output or b"")) == (TaskStatus.SUCCEEDED, "paid as asked: hello")
    assert desk.calls == {"first": 1, "pay": 1, "last": 2}
    assert await keys(cluster, task) == ["input", "m1", "t1:pay#1", "m2"]
    assert (task.usage.model_calls, task.usage.tool_calls) == (2, 1)


async def test_from_the_start_everything_is_done_anew_and_all_of_it_is_paid_for():
    cluster, desk = Cluster(), Desk()
    task = await resumed(cluster, await dead(cluster, desk), from_start=True)
    async with cluster.working(desk.service()):
        task = await cluster.ended(task)
    assert task.status is TaskStatus.SUCCEEDED
    assert desk.calls == {"first": 2, "pay": 2, "last": 2}
    again = ["1/input", "1/m1", "1/t1:pay#1", "1/m2"]
    assert await keys(cluster, task) == ["input", "m1", "t1:pay#1", *again]
    assert (task.usage.model_calls, task.usage.tool_calls, task.usage.input_tokens) == (3, 2, 9)


async def test_a_new_generation_survives_a_crash_as_the_first_one_does():
    cluster, desk = Cluster(), Desk()
    task = await resumed(cluster, await dead(cluster, desk), from_start=True)
    desk.mended, hang = False, asyncio.Event()
    service = desk.service()
    original = service.agent

    async def hanging(ctx: Any, message: str) -> str:
        try:
            return await original(ctx, message)
        except Exception:
            hang.set()
            await asyncio.Event().wait()
            raise

    first = asyncio.create_task(cluster.worker(replace(service, agent=hanging)).run())
    await hang.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await cluster.upkeep.rescue_expired_leases(3, 10)
    desk.mended = True
    async with cluster.working(service):
        task = await cluster.ended(task)
    assert task.status is TaskStatus.SUCCEEDED, task.reason
    assert desk.calls == {"first": 2, "pay": 2, "last": 3}
    assert (await keys(cluster, task))[3:] == ["1/input", "1/m1", "1/t1:pay#1", "1/m2"]


async def test_limits_of_steps_and_money_count_one_generation():
    cluster, desk = Cluster(), Desk()
    task = await resumed(cluster, await dead(cluster, desk, limits=Limits(steps=2)), from_start=True)
    async with cluster.working(desk.service()):
        assert (await cluster.ended(task)).status is TaskStatus.SUCCEEDED


async def test_input_and_version_are_the_new_ones():
    cluster, desk = Cluster(), Desk()
    task = await resumed(cluster, await dead(cluster, desk), input="with care", version="2")
    async with cluster.working(desk.service("1"), desk.service("2")):
        task = await cluster.ended(task)
    assert (task.version, orjson.loads(task.output or b"")) == ("2", "paid as asked: with care")
    assert desk.calls["pay"] == 1
    asked, _ = await cluster.sessions.messages(DEVELOPER, task.session_id)
    assert asked.content == "with care"


async def test_a_version_that_does_something_else_waits_instead():
    cluster, desk = Cluster(), Desk()

    async def other(ctx: Any, message: str) -> str:
        await ctx.tool(desk.pay, item="chair")
        return "never"

    task = await resumed(cluster, await dead(cluster, desk), version="2")
    async with cluster.working(AgentService(other, version="2")):
        task = await cluster.reaches(task, TaskStatus.WAITING)
    assert desk.calls["pay"] == 1
    assert orjson.loads(task.error or b"")["code"] == "journal_mismatch"


async def test_events_go_on_rising_and_say_of_which_generation_they_are():
    cluster, desk = Cluster(), Desk()
    died = await dead(cluster, desk)
    task = await resumed(cluster, died, from_start=True)
    async with cluster.working(desk.service()):
        task = await cluster.ended(task)
    events = await cluster.events(task)
    numbers = [event.number for event in events]
    assert numbers == sorted(set(numbers))
    assert [event.data.get("generation") for event in events if event.kind is EventKind.STEP] == [None, 1, 1]
    assert [event.data.get("generation") for event in events if event.kind is EventKind.TOOL_RESULT] == [None, 1]
    later = await cluster.events(task, died.changes[-1].number)
    assert (later[0].kind, later[0].data["status"], later[0].data["reason"]) == (EventKind.STATUS, "queued", "resumed")
    assert [event.kind for event in events if event.kind is EventKind.DONE] == [EventKind.DONE] * 2
