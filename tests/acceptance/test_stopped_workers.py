"""A worker that stood still past its lease wakes up: somebody else has its tasks, and it must not act any more."""

from __future__ import annotations

import signal

import pytest

from .deployment import SHORT_LEASE, Deployment
from .processes import Process
from .scripts import LONG, calls

AGENTS = pytest.mark.parametrize("agent", ["openai", "function"])


async def wake(worker: Process) -> None:
    """Returns when it knows that it has lost its tasks."""
    worker.send(signal.SIGCONT)
    await worker.until_logged("lease_lost")


@AGENTS
async def test_in_a_model_call_whose_answer_is_there_when_it_wakes(deployment: Deployment, agent: str) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=[calls("charge"), "All is paid."], hold={"turn": 0})
    first, second = await deployment.start_workers(2, lease_seconds=SHORT_LEASE)
    task = await api.submit(agent, "Pay.")
    async with api.follow(task["id"]) as stream:
        await provider.wait_for(held_at_least=1)
        stopped = await deployment.worker_of(task["id"])
        stopped.send(signal.SIGSTOP)
        await provider.wait_for(held_at_least=2)
        provider.control(release=1)
        await wake(stopped)
        # It is at work again, and the task is not its own.
        assert await deployment.worker_of(task["id"]) is (second if stopped is first else first)
        provider.control(hold=False)
        await stream.check()
    assert [call.pid for call in deployment.tools.calls] == [(second if stopped is first else first).pid]
    assert await deployment.journal(task["id"]) == [("input", 2), ("m1", 2), ("s1", 2), ("t1", 2), ("m2", 2)]
    assert (await api.task(task["id"]))["attempt"] == 2


@AGENTS
@pytest.mark.parametrize("tool", ["charge", "reserve"])
async def test_just_before_a_tool(deployment: Deployment, agent: str, tool: str) -> None:
    """The reply that asks for the tool was committed; the worker stopped before it heard of that."""
    provider, api = deployment.provider, deployment.api
    provider.control(script=[calls(tool), "All is done."])
    first, second = await deployment.start_workers(2, lease_seconds=SHORT_LEASE)
    async with (
        deployment.gate(entry="m1") as gate,
        api.follow((task := await api.submit(agent, "Go."))["id"]) as stream,
    ):
        await gate.until_reached()
        stopped = await deployment.worker_of(task["id"])
        other = second if stopped is first else first
        stopped.send(signal.SIGSTOP)
        await gate.open()
        await stream.check()
        assert [call.pid for call in deployment.tools.calls] == [other.pid]
        await wake(stopped)
    # It takes the next task: whatever the last one made it do is done.
    await other.terminate()
    await api.ended((await api.submit(agent, "Go."))["id"])
    assert [call.pid for call in deployment.tools.calls] == [other.pid, stopped.pid]
    assert await deployment.journal(task["id"]) == [
        ("input", 1),
        ("m1", 1),
        *([("s1", 2)] if tool == "charge" else []),
        ("t1", 2),
        ("m2", 2),
    ]


async def test_just_before_a_call_that_is_already_marked_as_started(deployment: Deployment) -> None:
    """Nobody can know whether a worker that vanished there made the call; when it wakes, it must not make it."""
    deployment.provider.control(script=[calls("charge"), "All is paid."])
    await deployment.start_workers(2, lease_seconds=SHORT_LEASE)
    async with (
        deployment.gate(entry="s1:%") as gate,
        deployment.api.follow((task := await deployment.api.submit("openai", "Pay."))["id"]) as stream,
    ):
        await gate.until_reached()
        stopped = await deployment.worker_of(task["id"])
        stopped.send(signal.SIGSTOP)
        await gate.open()
        await stream.until_seen("status", status="waiting")
        await wake(stopped)
        await deployment.api.cancel(task["id"])
        await stream.check("cancelled")
    for worker in deployment.workers:
        assert await worker.terminate() == 0
    assert deployment.tools.calls == []


@AGENTS
async def test_in_a_stream_that_it_goes_on_publishing(deployment: Deployment, agent: str) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=[LONG], hold_after_tokens=3)
    await deployment.start_workers(2, lease_seconds=SHORT_LEASE)
    task = await api.submit(agent, "Count.")
    async with api.follow(task["id"]) as stream:
        await stream.until_text("one two three ")
        stopped = await deployment.worker_of(task["id"])
        stopped.send(signal.SIGSTOP)
        await stream.until_seen("restart")
        await stream.until_text("one two three ")
        provider.control(release=1)
        await wake(stopped)
        provider.control(hold=False)
        done = await stream.check()
        assert "".join(event.data["text"] for event in stream.of_kind("text")) == "one two three " + LONG
    assert done["output"] == LONG


async def test_inside_a_tool_it_comes_back_too_late_to_write(deployment: Deployment) -> None:
    deployment.provider.control(script=[calls("reserve"), "All is done."])
    deployment.tools.hold("reserve")
    await deployment.start_workers(2, lease_seconds=SHORT_LEASE)
    task = await deployment.api.submit("openai", "Reserve it.")
    async with deployment.api.follow(task["id"]) as stream:
        await deployment.tools.until_called("reserve")
        stopped = await deployment.worker_of(task["id"])
        stopped.send(signal.SIGSTOP)
        await deployment.tools.until_called("reserve", times=2)
        deployment.tools.release()
        await wake(stopped)
        await stream.check()
        assert len(stream.of_kind("tool_result")) == 1
    assert await deployment.journal(task["id"]) == [("input", 1), ("m1", 1), ("t1", 2), ("m2", 2)]


async def test_a_short_stop_costs_nothing(deployment: Deployment) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=[LONG], hold_after_tokens=3)
    worker = await deployment.start_worker(lease_seconds="60")
    task = await api.submit("openai", "Count.")
    async with api.follow(task["id"]) as stream:
        await stream.until_text("one two three ")
        worker.send(signal.SIGSTOP)
        provider.control(hold=False)
        await provider.wait_for(inflight_at_most=0)
        worker.send(signal.SIGCONT)
        await stream.check()
    assert (await api.task(task["id"]))["attempt"] == 1
