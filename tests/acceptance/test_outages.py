"""The stores go away and come back while tasks are taken in, run and streamed."""

from __future__ import annotations

import asyncio

import pytest

from .deployment import SHORT_LEASE, TARGET, Deployment
from .http_api import Answer, TaskStream
from .scripts import LONG, calls


def is_refused_until_later(answer: Answer) -> bool:
    """Whether this is a problem document that says when to come back; fails for any other but a good answer."""
    if answer.status in (200, 202):
        return False
    assert answer.status == 503, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.body["code"] in ("store_unavailable", "not_ready")
    assert answer.body["detail"]
    return True


async def until_ready(deployment: Deployment) -> None:
    for _ in range(200):
        if not is_refused_until_later(await deployment.api.get("/ready")):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not ready ten seconds after the store came back")


async def until_leased(deployment: Deployment, workers: int) -> None:
    for _ in range(200):
        if len(await deployment.fetch("select from workers where lease_expires_at > clock_timestamp()")) == workers:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("ten seconds after the store came back workers have no lease")


async def test_postgres_is_killed_and_stays_away_for_a_while(deployment: Deployment) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=[calls("charge"), LONG], hold={"turn": 1, "after_tokens": 3})
    await deployment.start_workers(2, lease_seconds=SHORT_LEASE)
    running = await api.submit("openai", "Pay.")
    queued = await api.submit("openai", "And then?", session_id=running["session_id"])
    async with api.follow(running["id"]) as stream:
        await stream.until_text("one two three ")
        await deployment.servers.take_away("postgres")
        for answer in (
            await api.post("/v1/tasks", {"agent": "openai", "input": "Hello."}),
            await api.get(f"/v1/tasks/{running['id']}"),
            await api.post(f"/v1/tasks/{running['id']}/cancel"),
            await api.get(f"/v1/tasks/{queued['id']}/events"),
            await api.get("/v1/sessions"),
            await api.get("/ready"),
        ):
            assert is_refused_until_later(answer), answer
        assert (await api.get("/health")).status == 200
        # The model goes on talking, and its reader goes on reading.
        provider.control(hold=False)
        await stream.until_text(LONG)
        assert not stream.done
        await deployment.servers.bring_back("postgres")
        await until_ready(deployment)
        done = await stream.check()
    assert done["output"] == LONG
    assert (await api.ended(queued["id"]))["status"] == "succeeded"
    assert (await api.ended((await api.submit("openai", "Hello."))["id"]))["status"] == "succeeded"
    # Each of three tasks paid once; the first one's answer may have been asked for again if its lease ran out.
    assert deployment.tools.counts() == {"charge": 3}
    assert len((await api.get("/v1/tasks")).body["tasks"]) == 3


async def test_a_short_outage_of_postgres_costs_nobody_a_task(deployment: Deployment) -> None:
    """Replies and results that come while it is away are kept until it is back, within the lease."""
    provider, api = deployment.provider, deployment.api
    provider.control(script=[calls("charge"), LONG])
    deployment.tools.hold("charge")
    await deployment.start_worker(lease_seconds="60")
    task = await api.submit("function", "Pay.")
    async with api.follow(task["id"]) as stream:
        await deployment.tools.until_called("charge")
        await deployment.servers.take_away("postgres")
        deployment.tools.release()
        assert is_refused_until_later(await api.get("/ready"))
        await deployment.servers.bring_back("postgres")
        await stream.check()
    assert [request.turn for request in provider.requests] == [0, 1]
    assert deployment.tools.counts() == {"charge": 1}
    assert (await api.task(task["id"]))["attempt"] == 1


async def test_postgres_dies_again_and_again_under_load(deployment: Deployment) -> None:
    """Started again by its supervisor. What was accepted ends, what was refused was not stored."""
    provider, api = deployment.provider, deployment.api
    provider.control(script=[calls("charge"), LONG], latency="10ms")
    await deployment.start_workers(2, lease_seconds="10")
    accepted: list[str] = []
    refused = 0

    async def submit(number: int) -> None:
        nonlocal refused
        body = {"agent": "function", "input": f"Pay {number}."}
        for _ in range(200):
            answer = await api.post("/v1/tasks", body, headers={"idempotency-key": str(number)})
            if not is_refused_until_later(answer):
                accepted.append(answer.body["id"])
                return
            refused += 1
            await asyncio.sleep(0.05)
        raise AssertionError("refused for ten seconds")

    for round in range(3):
        await deployment.servers.kill("postgres")
        await asyncio.gather(*(submit(number) for number in range(round * 10, round * 10 + 10)))
    assert refused
    ended = [await api.ended(task_id) for task_id in accepted]
    assert {task["status"] for task in ended} == {"succeeded"}
    assert sorted(call.task_id for call in deployment.tools.calls) == sorted(accepted)
    stored = await deployment.fetch("select id::text from tasks")
    assert sorted(row[0] for row in stored) == sorted(accepted)


async def test_an_outage_longer_than_the_lease_costs_nobody_a_task_either(deployment: Deployment) -> None:
    """No worker could renew its lease meanwhile and none is to blame for it: each keeps its tasks."""
    deployment.provider.control(script=[LONG], hold_after_tokens=3)
    first, second = await deployment.start_workers(2, lease_seconds=SHORT_LEASE)
    task = await deployment.api.submit("openai", "Count.")
    async with deployment.api.follow(task["id"]) as stream:
        await stream.until_text("one two three ")
        await deployment.servers.take_away("postgres")
        for worker in (first, second):
            await worker.until_logged("lease_ran_out")
        await deployment.servers.bring_back("postgres")
        await until_ready(deployment)
        await until_leased(deployment, workers=2)
        deployment.release_everything()
        await stream.check()
        assert not stream.of_kind("restart")
    assert len(deployment.provider.requests) == 1
    assert (await deployment.api.task(task["id"]))["attempt"] == 1


@pytest.mark.parametrize("agent", ["openai", "function"])
async def test_everything_in_the_broker_is_flushed(deployment: Deployment, agent: str) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=[calls("charge"), LONG], hold={"turn": 1, "after_tokens": 3})
    await deployment.start_worker(worker_concurrency="1")
    running = await api.submit(agent, "Pay.")
    queued = [await api.submit(agent, f"Pay {number}.") for number in range(3)]
    async with api.follow(running["id"]) as stream:
        await stream.until_text("one two three ")
        await deployment.servers.flush_broker()
        async with api.follow(running["id"]) as late:
            await late.until_seen("tool_result")
            provider.control(hold=False)
            await stream.check()
            await late.check()
    for task in queued:
        assert (await api.ended(task["id"]))["status"] == "succeeded"
    assert deployment.tools.counts() == {"charge": 4}
    assert len(provider.requests) == 8


@pytest.mark.parametrize("agent", ["openai", "function"])
async def test_the_broker_is_killed_and_started_again(deployment: Deployment, agent: str) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=[calls("charge"), LONG], hold={"turn": 1, "after_tokens": 3})
    worker = await deployment.start_worker()
    task = await api.submit(agent, "Pay.")
    async with api.follow(task["id"]) as stream:
        await stream.until_text("one two three ")
        await deployment.servers.kill("valkey")
        await worker.until_logged("subscriptions_restored")
        await deployment.processes[0].until_logged("subscriptions_restored")
        provider.control(hold=False)
        done = await stream.check()
        assert stream.connections == 1
    assert done["output"] == LONG
    assert [request.turn for request in provider.requests] == [0, 1]


async def test_the_broker_is_away_for_the_whole_life_of_tasks(deployment: Deployment) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=[calls("charge"), LONG])
    await deployment.start_worker()
    await deployment.servers.take_away("valkey")
    tasks = [await api.submit(agent, "Pay.") for agent in ("openai", "function")]
    for task in tasks:
        async with api.follow(task["id"]) as stream:
            done = await stream.check()
        assert done["output"] == LONG
    assert (await api.get("/ready")).status == 200
    assert deployment.tools.counts() == {"charge": 2}


async def test_processes_start_without_the_broker(bare_deployment: Deployment) -> None:
    deployment = bare_deployment
    await deployment.servers.take_away("valkey")
    await deployment.start_api()
    await deployment.start_upkeep()
    await deployment.start_worker()
    task = await deployment.api.submit("openai", "Hello.")
    async with deployment.api.follow(task["id"]) as stream:
        await stream.check()


async def test_processes_that_come_before_postgres_wait_for_it(bare_deployment: Deployment) -> None:
    deployment = bare_deployment
    await deployment.servers.take_away("postgres")
    await _start_all(deployment)
    for process in deployment.processes:
        await process.until_logged("waiting_for_the_store")
    await deployment.servers.bring_back("postgres")
    api = await deployment.api_of(deployment.processes[0])
    assert (await api.ended((await api.submit("openai", "Hello."))["id"]))["status"] == "succeeded"


async def test_both_stores_are_away_at_once(deployment: Deployment) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=[LONG], hold_after_tokens=3)
    await deployment.start_worker(lease_seconds="60")
    task = await api.submit("openai", "Count.")
    stream = TaskStream([api], task["id"])
    async with stream:
        await stream.until_text("one two three ")
        await asyncio.gather(*(deployment.servers.take_away(name) for name in ("postgres", "valkey")))
        provider.control(hold=False)
        await provider.wait_for(inflight_at_most=0)
        assert is_refused_until_later(await api.get("/ready"))
        await asyncio.gather(*(deployment.servers.bring_back(name) for name in ("postgres", "valkey")))
        await stream.check()
    assert len(provider.requests) == 1


async def _start_all(deployment: Deployment) -> None:
    for command, arguments in (
        ("api", (TARGET, "--port", "0")),
        ("worker", (TARGET, "--health-port", "0")),
        ("upkeep", ()),
    ):
        await deployment.start(command, *arguments)
