"""Several servers, workers and upkeeps over the same stores act as one."""

from __future__ import annotations

import asyncio

import pytest

from .deployment import SHORT_LEASE, Deployment
from .http_api import TaskStream
from .scripts import LONG, calls

TASKS = 100


async def test_every_task_is_done_exactly_once(deployment: Deployment) -> None:
    deployment.provider.control(script=[calls("charge", "look_up"), LONG])
    await deployment.start_api()
    await deployment.start_upkeep()
    await deployment.start_upkeep()
    workers = await deployment.start_workers(3, worker_concurrency="10")
    apis = deployment.apis
    receipts = await asyncio.gather(
        *(apis[n % 2].submit(["openai", "anthropic", "function"][n % 3], f"Pay {n}.") for n in range(TASKS))
    )
    # Each is followed at another server than the one that took it in.
    ended = await asyncio.gather(*(apis[(n + 1) % 2].ended(task["id"]) for n, task in enumerate(receipts)))
    assert {(task["status"], task["output"], task["attempt"]) for task in ended} == {("succeeded", LONG, 1)}
    ids = sorted(receipt["id"] for receipt in receipts)
    for tool in ("charge", "look_up"):
        assert sorted(call.task_id for call in deployment.tools.calls if call.tool == tool) == ids
    assert len(deployment.provider.requests) == 2 * TASKS
    # None of the workers stood aside.
    assert {call.pid for call in deployment.tools.calls} == {worker.pid for worker in workers}


async def test_every_task_is_done_although_workers_keep_dying(deployment: Deployment) -> None:
    provider = deployment.provider
    provider.control(script=[calls("reserve"), LONG], latency="20ms")
    await deployment.start_upkeep(lease_seconds=SHORT_LEASE)
    await deployment.start_workers(3, worker_concurrency="5", lease_seconds=SHORT_LEASE)
    receipts = [await deployment.api.submit("function", f"Reserve {n}.") for n in range(60)]
    for at_least in (20, 50, 80):
        await provider.wait_for(ended_at_least=at_least)
        await next(worker for worker in deployment.workers if worker.status is None).kill()
        await deployment.start_worker(worker_concurrency="5", lease_seconds=SHORT_LEASE)
    ended = await asyncio.gather(*(deployment.api.ended(receipt["id"]) for receipt in receipts))
    assert {(task["status"], task["output"]) for task in ended} == {("succeeded", LONG)}
    # No more is repeated than what was under way: five tasks of each of three workers.
    assert 60 <= len(deployment.tools.calls) <= 75
    assert 120 <= len(provider.requests) <= 135
    for receipt in receipts:
        keys = [key for key, _ in await deployment.journal(receipt["id"])]
        assert keys == ["input", "m1", "t1", "m2"]


@pytest.mark.parametrize("agent", ["openai", "function"])
async def test_a_client_moves_between_servers(deployment: Deployment, agent: str) -> None:
    """Its server is killed or asked to end in the middle of a text; the next one goes on after its last event."""
    provider = deployment.provider
    provider.control(script=[calls("charge"), LONG], hold={"turn": 1, "after_tokens": 2})
    await deployment.start_worker()
    servers = [deployment.processes[0], *[(await deployment.start_api())[0] for _ in range(2)]]
    task = await deployment.api.submit(agent, "Pay.")
    async with TaskStream(deployment.apis, task["id"]) as stream:
        await stream.until_text("one two ")
        await servers[0].kill()
        await stream.until(lambda: stream.connections == 2, "it came back to the second server")
        assert await servers[1].terminate() == 0
        await stream.until(lambda: stream.connections == 3, "it came back to the third server")
        provider.control(hold=False)
        await stream.until_done()
        assert not stream.of_kind("restart")
        assert "".join(event.data["text"] for event in stream.of_kind("text")) == LONG
        stream.use_only(deployment.apis[2])
        await stream.check()


async def test_two_clients_see_the_same_at_two_servers(deployment: Deployment) -> None:
    _, other = await deployment.start_api()
    provider = deployment.provider
    provider.control(script=[calls("charge", "reserve", "look_up"), LONG], tokens_per_second=50)
    await deployment.start_worker()
    task = await deployment.api.submit("openai", "Go.")
    async with deployment.api.follow(task["id"]) as here, other.follow(task["id"]) as there:
        await here.check()
        await there.check()
        assert len(here.of_kind("text")) > 1
    after = here.seen[len(here.seen) // 2].id
    async with other.follow(task["id"], after=after) as rest:
        await rest.until_done()
        durable = [event for event in here.seen if event.id > after and event.kind not in ("text", "restart")]
        assert [event for event in rest.seen if event.kind not in ("text", "restart")] == durable


async def test_a_cancel_at_one_server_ends_the_stream_at_another(deployment: Deployment) -> None:
    _, other = await deployment.start_api()
    deployment.provider.control(script=[LONG], hold_after_tokens=3)
    await deployment.start_workers(2)
    task = await deployment.api.submit("openai", "Count.")
    async with other.follow(task["id"]) as stream:
        await stream.until_text("one two three ")
        await deployment.api.cancel(task["id"])
        assert (await stream.check("cancelled"))["output"] == "one two three "


async def test_upkeep_goes_on_when_one_of_two_is_gone(deployment: Deployment) -> None:
    deployment.provider.control(script=[LONG], faults=["500@+1"])
    await deployment.start_upkeep(lease_seconds=SHORT_LEASE)
    await deployment.processes[1].kill()
    await deployment.start_worker()
    task = await deployment.api.submit("openai", "Hello.")
    assert (await deployment.api.ended(task["id"]))["status"] == "succeeded"


async def test_processes_started_at_once_over_an_empty_database(bare_deployment: Deployment) -> None:
    """Each brings the database to this release, and none gets in another one's way."""
    deployment = bare_deployment
    await deployment.use_empty_database()
    started = await asyncio.gather(
        deployment.start_api(),
        deployment.start_api(),
        deployment.start_upkeep(),
        deployment.start_upkeep(),
        deployment.start_workers(2),
    )
    assert len(started) == 5
    task = await deployment.api.submit("openai", "Hello.")
    assert (await deployment.apis[1].ended(task["id"]))["status"] == "succeeded"
