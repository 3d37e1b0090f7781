"""Tools that take more than JSON types: people, policies and keys get the JSON of it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from roadworthy import AgentService, StartedCall, ToolPolicy, current_call
from roadworthy.domain.decision import Verdict
from roadworthy.domain.task import TaskStatus
from roadworthy.frameworks.function import TaskContext
from unit.execution.cluster import Cluster

from .deciding import SOON, answer, calling, decide, waits


class Order(BaseModel):
    id: str
    cents: int = Field(repr=False)
    tags: set[str] = set()


async def test_people_and_policies_are_told_the_json_of_a_model():
    seen: list[Any] = []

    async def refund(order: Order, why: str) -> str:
        seen.append(order)
        raise ConnectionResetError("nobody knows")

    def is_large(order: dict[str, Any], why: str) -> bool:
        seen.append(order)
        return True

    async def was_refunded(call: StartedCall) -> None:
        seen.append(call.arguments)

    given = {"order": {"id": "A", "cents": 500, "tags": ["a", "b"]}, "why": "broken"}
    policy = ToolPolicy(seconds=0.1, approval=is_large, reconcile=was_refunded)
    service, cluster = AgentService(calling(refund, [given]), tools={"refund": policy}), Cluster()
    task = await cluster.submit(service)
    async with cluster.working(service, tool_gateway=SOON):
        (call,) = await waits(cluster, task)
        assert call.arguments == given
        edited = {"order": given["order"] | {"cents": 300}, "why": "broken"}
        await decide(cluster, task, call.call_id, Verdict.APPROVE, edited)
        await cluster.until(task, lambda found: found.attempt == 2 and found.status is TaskStatus.QUEUED)
        await cluster.released(task)
        await cluster.until(task, lambda found: found.attempt == 3 and found.status is TaskStatus.WAITING)
    assert seen == [given["order"], Order(id="A", cents=300, tags={"a", "b"}), edited]


async def test_calls_that_differ_in_what_is_not_shown_are_different_calls():
    paid: list[tuple[int, str]] = []

    async def refund(order: Order, why: str) -> str:
        paid.append((order.cents, current_call().idempotency_key))
        return f"paid {order.cents}"

    steps = [[{"order": {"id": "A", "cents": cents}, "why": "broken"}] for cents in (500, 900)]
    service, cluster = AgentService(calling(refund, *steps), tools={"refund": ToolPolicy()}), Cluster()
    async with cluster.working(service):
        task = await cluster.ended(await cluster.submit(service))
    assert answer(task) == [["success", "paid 500"], ["success", "paid 900"]]
    assert [cents for cents, _ in paid] == [500, 900] and len({key for _, key in paid}) == 2


async def test_a_function_that_gives_a_tool_a_connection_is_told_what_to_give_instead():
    called: list[str] = []

    async def refund(order: str, database: object) -> None:
        called.append(order)

    async def reply(ctx: TaskContext, message: str) -> None:
        await ctx.tool(refund, order="A", database=object())

    service, cluster = AgentService(reply, tools={"refund": ToolPolicy()}), Cluster()
    async with cluster.working(service):
        task = await cluster.reaches(await cluster.submit(service), TaskStatus.DEAD)
    assert "have it get connections and the like by itself" in (task.reason or "") and not called
