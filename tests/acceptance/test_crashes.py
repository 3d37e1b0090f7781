"""A worker is killed at the worst moments: another one goes on, and nothing that was finished is done twice."""

from __future__ import annotations

import pytest

from .deployment import SHORT_LEASE, Deployment
from .scripts import LONG, calls

AGENTS = pytest.mark.parametrize("agent", ["openai", "anthropic", "function"])
TWO_AGENTS = pytest.mark.parametrize("agent", ["openai", "function"])


def turns(deployment: Deployment) -> list[int]:
    """Which step each request to the provider was for."""
    return [request.turn for request in deployment.provider.requests]


@AGENTS
async def test_in_the_middle_of_a_model_call(deployment: Deployment, agent: str) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=[calls("charge"), "All is paid."], hold={"turn": 1})
    await deployment.start_workers(2, lease_seconds=SHORT_LEASE)
    task = await api.submit(agent, "Pay.")
    async with api.follow(task["id"]) as stream:
        await provider.wait_for(held_at_least=1)
        await (await deployment.worker_of(task["id"])).kill()
        await provider.wait_for(requests_at_least=3)
        provider.control(hold=False)
        done = await stream.check()
    assert done["output"] == "All is paid."
    # The call that the dead worker never heard back from, and no other, was made again.
    assert turns(deployment) == [0, 1, 1]
    assert deployment.tools.counts() == {"charge": 1}
    assert await deployment.journal(task["id"]) == [("input", 1), ("m1", 1), ("s1", 1), ("t1", 1), ("m2", 2)]


@AGENTS
async def test_in_the_middle_of_a_streamed_answer(deployment: Deployment, agent: str) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=[LONG], hold_after_tokens=3)
    await deployment.start_workers(2, lease_seconds=SHORT_LEASE)
    task = await api.submit(agent, "Count.")
    async with api.follow(task["id"]) as stream:
        await stream.until_text("one two three ")
        await (await deployment.worker_of(task["id"])).kill()
        await stream.until_seen("restart")
        await stream.until_text("one two three ")
        provider.control(hold=False)
        done = await stream.check()
        assert len(stream.of_kind("restart")) == 1
        assert "".join(event.data["text"] for event in stream.of_kind("text")) == "one two three " + LONG
    assert done["output"] == LONG
    assert done["usage"]["model_calls"] == 1


@TWO_AGENTS
async def test_between_the_reply_and_the_tool_that_it_asks_for(deployment: Deployment, agent: str) -> None:
    deployment.provider.control(script=[calls("charge"), "All is paid."])
    await deployment.start_workers(2, lease_seconds=SHORT_LEASE)
    async with (
        deployment.gate(entry="s1:%") as gate,
        deployment.apis[0].follow((task := await deployment.api.submit(agent, "Pay."))["id"]) as stream,
    ):
        await gate.until_reached()
        await (await deployment.worker_of(task["id"])).kill()
        await gate.end_who_waits()
        await stream.check()
    assert turns(deployment) == [0, 1]
    assert deployment.tools.counts() == {"charge": 1}
    assert await deployment.journal(task["id"]) == [("input", 1), ("m1", 1), ("s1", 2), ("t1", 2), ("m2", 2)]


@TWO_AGENTS
async def test_inside_one_of_three_parallel_tools(deployment: Deployment, agent: str) -> None:
    deployment.provider.control(script=[calls("look_up", "reserve", "charge"), "All is done."])
    deployment.tools.hold("reserve")
    await deployment.start_workers(2, lease_seconds=SHORT_LEASE)
    task = await deployment.api.submit(agent, "Reserve it.")
    async with deployment.api.follow(task["id"]) as stream:
        await deployment.tools.until_called("reserve")
        await stream.until_seen("tool_result", times=2)
        await (await deployment.worker_of(task["id"])).kill()
        await deployment.tools.until_called("reserve", times=2)
        deployment.tools.release()
        await stream.check()
        assert len(stream.of_kind("tool_result")) == 3
    assert turns(deployment) == [0, 1]
    # An idempotent call that did not come back is made again; the two that did are not, whatever their effect.
    assert deployment.tools.counts() == {"look_up": 1, "reserve": 2, "charge": 1}


@TWO_AGENTS
async def test_inside_a_call_that_must_happen_only_once(deployment: Deployment, agent: str) -> None:
    deployment.provider.control(script=[calls("look_up", "charge", "reserve"), "All is done."])
    deployment.tools.hold("charge")
    await deployment.start_workers(2, lease_seconds=SHORT_LEASE)
    task = await deployment.api.submit(agent, "Pay.")
    async with deployment.api.follow(task["id"]) as stream:
        await deployment.tools.until_called("charge")
        await stream.until_seen("tool_result", times=2)
        await (await deployment.worker_of(task["id"])).kill()
        waiting = await stream.until_seen("status", status="waiting")
        assert "'charge' must happen only once" in waiting.data["reason"]
        assert "item 2" in waiting.data["reason"]
        # Until somebody has decided, it can be cancelled and nothing else.
        await deployment.api.cancel(task["id"])
        await stream.check("cancelled")
    assert deployment.tools.counts() == {"look_up": 1, "charge": 1, "reserve": 1}
    assert turns(deployment) == [0]


@TWO_AGENTS
@pytest.mark.parametrize("settled", [False, True], ids=["lost", "committed"])
async def test_while_the_end_is_being_written(deployment: Deployment, agent: str, settled: bool) -> None:
    """What the dead worker sent last is either lost or committed without anybody having told the client."""
    deployment.provider.control(script=[calls("charge"), "All is paid."])
    await deployment.start_workers(2, lease_seconds=SHORT_LEASE)
    async with (
        deployment.gate(status="succeeded") as gate,
        deployment.api.follow((task := await deployment.api.submit(agent, "Pay."))["id"]) as stream,
    ):
        await gate.until_reached()
        await (await deployment.worker_of(task["id"])).kill()
        await (gate.open() if settled else gate.end_who_waits())
        done = await stream.check()
    assert done["output"] == "All is paid."
    assert (await deployment.api.task(task["id"]))["attempt"] == (1 if settled else 2)
    assert turns(deployment) == [0, 1]
    assert deployment.tools.counts() == {"charge": 1}


async def test_every_worker_until_a_new_one_comes(deployment: Deployment) -> None:
    deployment.provider.control(script=[calls("charge"), LONG], hold={"turn": 1, "after_tokens": 2})
    task = await deployment.api.submit("openai", "Pay.")
    async with deployment.api.follow(task["id"]) as stream:
        for round in range(1, 4):
            worker = await deployment.start_worker(lease_seconds=SHORT_LEASE)
            await deployment.provider.wait_for(held_at_least=1)
            assert await deployment.worker_of(task["id"]) is worker
            assert await deployment.failures(task["id"]) == round - 1
            await worker.kill()
            await deployment.provider.wait_for(inflight_at_most=0)
        await stream.until_seen("status", 3, status="queued")
        deployment.provider.control(hold=False)
        await deployment.start_worker()
        await stream.check()
    assert turns(deployment) == [0, 1, 1, 1, 1]
    assert deployment.tools.counts() == {"charge": 1}


async def test_a_task_that_kills_every_worker_is_given_up(bare_deployment: Deployment) -> None:
    deployment = bare_deployment
    await deployment.start_api()
    await deployment.start_upkeep(lease_seconds=SHORT_LEASE, max_retries="1")
    deployment.provider.control(hold=True)
    task = await deployment.api.submit("openai", "Bring it down.")
    async with deployment.api.follow(task["id"]) as stream:
        for _ in range(2):
            worker = await deployment.start_worker(lease_seconds=SHORT_LEASE)
            await deployment.provider.wait_for(held_at_least=1)
            await worker.kill()
            await deployment.provider.wait_for(inflight_at_most=0)
        done = await stream.check("dead")
    assert done["error"]["code"] == "lease_lost"
    assert done["reason"].startswith(
        "failed 2 times without progress; last: its worker was lost; see in the workers' log"
    )
