import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson
from structlog.testing import capture_logs

from roadworthy import AgentService, ToolPolicy
from roadworthy.core.insight.steps import steps_of
from roadworthy.domain.decision import Verdict
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import TaskStatus
from unit.tool_gateway.deciding import decide

from .cluster import Cluster


@dataclass
class Order:
    id: str
    items: tuple[int, ...]


def completion(text: str) -> dict[str, Any]:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    return {"choices": [{"message": {"role": "assistant", "content": text}}], "usage": usage}


async def test_a_plain_function_needs_no_context():
    async def echo(message: str) -> str:
        return message.upper()

    service = AgentService(echo)
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service, "hello"))
    assert orjson.loads(task.output or b"") == "HELLO"


async def test_calls_at_the_same_time_are_replayed_in_whatever_order_they_came_back():
    calls: Counter[str] = Counter()
    hang = asyncio.Event()

    async def reply(ctx: Any, message: str) -> str:
        async def ask(name: str, pause: float) -> str:
            async def call(_: Any) -> dict[str, Any]:
                calls[name] += 1
                await asyncio.sleep(pause)
                return completion(name)

            return (await ctx.model(name, call))["choices"][0]["message"]["content"]

        async def last(_: Any) -> dict[str, Any]:
            calls["last"] += 1
            if calls["last"] == 1:
                hang.set()
                await asyncio.Event().wait()
            return completion("end")

        both = await asyncio.gather(ask("slow", 0.03), ask("quick", 0))
        await ctx.model("last", last)
        return " ".join(both)

    service = AgentService(reply)
    cluster = Cluster()
    first = asyncio.create_task(cluster.worker(service).run())
    task = await cluster.submit(service)
    await hang.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await cluster.upkeep.rescue_expired_leases(3, 10)
    async with cluster.working(service):
        task = await cluster.ended(task)
    assert task.status is TaskStatus.SUCCEEDED, task.reason
    assert orjson.loads(task.output or b"") == "slow quick"
    assert calls == {"slow": 1, "quick": 1, "last": 2}
    assert (task.usage.model_calls, task.usage.input_tokens) == (3, 9)


async def test_a_broken_connection_is_tried_again_and_a_refusal_is_not():
    class Refused(Exception):
        status_code = 400

    async def flaky(ctx: Any, message: str) -> str:
        async def call(_: Any) -> str:
            raise ConnectionResetError("gone") if message == "break" else Refused("no such model")

        return await ctx.model("m", call)

    service = AgentService(flaky)
    cluster = Cluster()
    async with cluster.working(service):
        broken, refused = await cluster.submit(service, "break"), await cluster.submit(service, "refuse")
        refused = await cluster.ended(refused)
        broken = await cluster.until(broken, lambda found: found.failures == 1)
    assert refused.status is TaskStatus.DEAD
    assert "no such model" in (refused.reason or "")
    assert broken.status is TaskStatus.QUEUED


async def test_a_plain_def_runs_in_a_thread_and_its_result_is_kept():
    calls: Counter[str] = Counter()

    def add(a: int, b: int) -> int:
        calls["add"] += 1
        return a + b

    async def reply(ctx: Any, message: str) -> int:
        return await ctx.tool(add, a=2, b=3) + await ctx.tool(add, a=2, b=3)

    service = AgentService(reply, tools={"add": ToolPolicy(effect="read")})
    cluster = Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert (orjson.loads(task.output or b""), calls["add"], task.usage.tool_calls) == (10, 2, 2)


async def test_a_tool_that_only_reads_is_shown_with_its_arguments():
    async def lookup(city: str) -> str:
        return f"sunny in {city}"

    async def reply(ctx: Any, message: str) -> str:
        return await ctx.tool(lookup, city=message)

    service, cluster = AgentService(reply, tools={"lookup": ToolPolicy(effect="read")}), Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service, "Oslo"))
    (step,) = steps_of(await cluster.journal.read(DEVELOPER, task.id))
    (call,) = step["tool_calls"]
    assert (call["tool"], call["arguments"], call["outcome"]) == ("lookup", {"city": "Oslo"}, "done")


async def test_a_task_that_waits_for_a_person_is_a_warning():
    async def reply(ctx: Any, message: str) -> str:
        def pay() -> None:
            raise ConnectionResetError

        return await ctx.tool(pay)

    service, cluster = AgentService(reply), Cluster()
    with capture_logs() as logs:
        async with cluster.working(service):
            await cluster.reaches(await cluster.submit(service), TaskStatus.WAITING)
    (end,) = [entry for entry in logs if entry["event"] == "attempt_ended"]
    assert (end["log_level"], end["status"]) == ("warning", "waiting")


async def test_a_result_is_the_same_the_first_time_as_after_a_crash():
    seen: list[Any] = []

    async def find() -> Order:
        return Order("A", (1, 2))

    async def pay() -> None:
        pass

    async def reply(ctx: Any, message: str) -> None:
        seen.append(await ctx.tool(find))
        await ctx.tool(pay)

    tools = {"find": ToolPolicy(effect="read"), "pay": ToolPolicy(approval="always")}
    service, cluster = AgentService(reply, tools=tools), Cluster()
    async with cluster.working(service):
        task = await cluster.reaches(await cluster.submit(service), TaskStatus.WAITING)
        await decide(cluster, task, "t0:pay#1", Verdict.APPROVE)
        task = await cluster.ended(task)
    assert task.status is TaskStatus.SUCCEEDED, task.reason
    assert seen == [{"id": "A", "items": [1, 2]}] * 2
