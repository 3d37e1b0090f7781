"""SIGTERM: a worker hands over what it runs, at a place where nothing is lost and nothing must be repeated."""

from __future__ import annotations

import asyncio
import signal

import pytest

from .deployment import Deployment
from .scripts import LONG, calls

AGENTS = pytest.mark.parametrize("agent", ["openai", "function"])


@AGENTS
async def test_in_a_model_call(deployment: Deployment, agent: str) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=[calls("charge"), LONG], hold={"turn": 0})
    worker = await deployment.start_worker()
    task = await api.submit(agent, "Pay.")
    async with api.follow(task["id"]) as stream:
        await provider.wait_for(held_at_least=1)
        ending = asyncio.create_task(worker.terminate())
        await worker.until_logged("worker_draining", running=1)
        await deployment.start_worker()
        provider.control(hold=False)
        assert await ending == 0
        done = await stream.check()
        queued = [event.data for event in stream.of_kind("status") if event.data["status"] == "queued"]
        assert [event.get("reason") for event in queued] == [
            None,
            "This worker drains; another one goes on from the journal.",
        ]
    assert done["output"] == LONG
    # The reply that the first worker waited for was kept; the tool was left to the second one.
    assert [request.turn for request in provider.requests] == [0, 1]
    assert deployment.tools.counts() == {"charge": 1}
    assert await deployment.journal(task["id"]) == [("input", 1), ("m1", 1), ("s1", 2), ("t1", 2), ("m2", 2)]
    assert await deployment.failures(task["id"]) == 0


@AGENTS
async def test_in_parallel_tools(deployment: Deployment, agent: str) -> None:
    deployment.provider.control(script=[calls("charge", "reserve"), LONG])
    deployment.tools.hold("charge", "reserve")
    first = await deployment.start_worker()
    task = await deployment.api.submit(agent, "Pay.")
    async with deployment.api.follow(task["id"]) as stream:
        await deployment.tools.until_called("charge")
        await deployment.tools.until_called("reserve")
        ending = asyncio.create_task(first.terminate())
        await first.until_logged("worker_draining", running=1)
        await deployment.start_worker()
        deployment.tools.release()
        assert await ending == 0
        await stream.check()
    assert [request.turn for request in deployment.provider.requests] == [0, 1]
    assert deployment.tools.counts() == {"charge": 1, "reserve": 1}
    assert await deployment.failures(task["id"]) == 0


async def test_what_takes_too_long_is_interrupted_and_costs_no_failure(deployment: Deployment) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=[calls("charge"), LONG], hold={"turn": 1, "after_tokens": 3})
    worker = await deployment.start_worker(drain_seconds="0.1")
    task = await api.submit("openai", "Pay.")
    async with api.follow(task["id"]) as stream:
        await stream.until_text("one two three ")
        assert await worker.terminate() == 0
        await stream.until_seen("status", 2, status="queued")
        provider.control(hold=False)
        await deployment.start_worker()
        await stream.check()
        assert len(stream.of_kind("restart")) == 1
    assert [request.turn for request in provider.requests] == [0, 1, 1]
    assert deployment.tools.counts() == {"charge": 1}
    assert await deployment.failures(task["id"]) == 0


async def test_all_workers_one_after_the_other_under_load(deployment: Deployment) -> None:
    """A deploy: every worker is replaced while tasks come and run."""
    provider, api = deployment.provider, deployment.api
    provider.control(script=[calls("charge"), LONG], latency="20ms")
    workers = await deployment.start_workers(2, worker_concurrency="5")
    receipts = [await api.submit("function", f"Pay {number}.") for number in range(20)]
    for worker in workers:
        await deployment.start_worker(worker_concurrency="5")
        assert await worker.terminate() == 0
        receipts += [await api.submit("function", f"Pay {number}.") for number in range(20)]
    ended = [await api.ended(receipt["id"]) for receipt in receipts]
    assert {task["status"] for task in ended} == {"succeeded"}
    charged = [call.task_id for call in deployment.tools.calls]
    assert sorted(charged) == sorted(receipt["id"] for receipt in receipts)
    assert len(provider.requests) == 2 * len(receipts)
    for receipt in receipts:
        assert await deployment.failures(receipt["id"]) == 0


@AGENTS
@pytest.mark.parametrize("patience", ["10", "0.1"])
async def test_while_a_call_that_must_happen_only_once_is_marked_as_started(
    deployment: Deployment, agent: str, patience: str
) -> None:
    """What is marked is done: nobody else could tell that it was not."""
    deployment.provider.control(script=[calls("charge"), LONG])
    worker = await deployment.start_worker(drain_seconds=patience)
    async with (
        deployment.gate(entry="s1:%") as gate,
        deployment.api.follow((task := await deployment.api.submit(agent, "Pay."))["id"]) as stream,
    ):
        await gate.until_reached()
        ending = asyncio.create_task(worker.terminate())
        await worker.until_logged("worker_draining", running=1)
        await deployment.start_worker()
        await gate.open()
        assert await ending == 0
        await stream.check()
    assert [call.pid for call in deployment.tools.calls] == [worker.pid]
    assert await deployment.journal(task["id"]) == [("input", 1), ("m1", 1), ("s1", 1), ("t1", 1), ("m2", 2)]


@AGENTS
async def test_a_thread_that_never_comes_back_keeps_no_worker_from_ending(deployment: Deployment, agent: str) -> None:
    deployment.provider.control(script=[calls("count_stock"), LONG])
    deployment.tools.hold("count_stock")
    worker = await deployment.start_worker(drain_seconds="0.1")
    task = await deployment.api.submit(agent, "Count.")
    async with deployment.api.follow(task["id"]) as stream:
        await deployment.tools.until_called("count_stock")
        assert await worker.terminate() == 0
        deployment.tools.release()
        await deployment.start_worker()
        await stream.check()
    assert await deployment.failures(task["id"]) == 0


@AGENTS
async def test_a_second_signal_ends_it_without_waiting(deployment: Deployment, agent: str) -> None:
    deployment.provider.control(script=[calls("count_stock"), LONG])
    deployment.tools.hold("count_stock")
    worker = await deployment.start_worker(drain_seconds="60")
    task = await deployment.api.submit(agent, "Count.")
    async with deployment.api.follow(task["id"]) as stream:
        await deployment.tools.until_called("count_stock")
        worker.send(signal.SIGTERM)
        await worker.until_logged("worker_draining")
        assert await worker.terminate() == 130
        assert not [line for line in worker.errors if "Traceback" in line]
        deployment.tools.release()
        await deployment.start_worker()
        await stream.check()
