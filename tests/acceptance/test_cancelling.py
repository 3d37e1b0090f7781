"""A cancel is kept whatever happens, and heard of soon."""

from __future__ import annotations

import pytest

from .deployment import SHORT_LEASE, Deployment
from .scripts import LONG, calls

AGENTS = pytest.mark.parametrize("agent", ["openai", "anthropic", "function"])
TWO_AGENTS = pytest.mark.parametrize("agent", ["openai", "function"])


async def test_while_it_is_queued(deployment: Deployment) -> None:
    api = deployment.api
    task = await api.submit("openai", "Later.")
    behind = await api.submit("openai", "After that.", session_id=task["session_id"])
    async with api.follow(task["id"]) as stream:
        await stream.until_seen("status", status="queued")
        await api.cancel(behind["id"])
        await api.cancel(task["id"])
        await api.cancel(task["id"])
        await stream.check("cancelled")
    assert (await api.ended(behind["id"]))["status"] == "cancelled"
    # A worker finds nothing to do.
    await deployment.start_worker()
    after = await api.submit("openai", "Now.", session_id=task["session_id"])
    assert (await api.ended(after["id"]))["status"] == "succeeded"
    assert [request.message for request in deployment.provider.requests] == ["Now."]


@AGENTS
async def test_in_a_model_call(served: Deployment, agent: str) -> None:
    provider, api = served.provider, served.api
    provider.control(hold=True)
    task = await api.submit(agent, "Think.")
    async with api.follow(task["id"]) as stream:
        await provider.wait_for(held_at_least=1)
        await api.cancel(task["id"])
        done = await stream.check("cancelled")
    assert done["output"] is None
    # The provider is no longer kept busy, and the session is free.
    await provider.wait_for(inflight_at_most=0)
    provider.control(hold=False)
    after = await api.submit(agent, "Again.", session_id=task["session_id"])
    assert (await api.ended(after["id"]))["status"] == "succeeded"


@AGENTS
async def test_in_a_streamed_answer_whose_text_is_kept(served: Deployment, agent: str) -> None:
    provider, api = served.provider, served.api
    provider.control(script=[LONG], hold={"after_tokens": 3, "contains": "Count"})
    task = await api.submit(agent, "Count.")
    async with api.follow(task["id"]) as stream:
        await stream.until_text("one two three ")
        await api.cancel(task["id"])
        done = await stream.until_done()
        assert (done.data["status"], done.data["output"]) == ("cancelled", "one two three ")
        assert stream.shown_text == "one two three "
    await provider.wait_for(inflight_at_most=0)
    after = await api.submit(agent, "Go on.", session_id=task["session_id"])
    assert (await api.ended(after["id"]))["output"] == LONG


@TWO_AGENTS
@pytest.mark.parametrize("tool", ["reserve", "count_stock"])
async def test_in_a_tool_that_may_be_left(served: Deployment, agent: str, tool: str) -> None:
    served.provider.control(script=[calls(tool), "Never said."])
    served.tools.hold(tool)
    task = await served.api.submit(agent, "Reserve it.")
    async with served.api.follow(task["id"]) as stream:
        await served.tools.until_called(tool)
        await served.api.cancel(task["id"])
        await stream.check("cancelled")
    assert len(served.provider.requests) == 1
    # The call that never came back does not stand open in the history.
    served.provider.control(script=["I am here."])
    after = await served.api.submit(agent, "Hello?", session_id=task["session_id"])
    assert (await served.api.ended(after["id"]))["output"] == "I am here."


@TWO_AGENTS
async def test_in_a_call_that_must_happen_only_once(served: Deployment, agent: str) -> None:
    """Such a call runs to its end, so that it is known what became of it."""
    served.provider.control(script=[calls("charge"), "Never said."])
    served.tools.hold("charge")
    worker = served.processes[0]
    task = await served.api.submit(agent, "Pay.")
    async with served.api.follow(task["id"]) as stream:
        await served.tools.until_called("charge")
        await served.api.cancel(task["id"])
        # The worker has heard of it and of another task's cancel, and lets the call run.
        served.provider.control(hold={"contains": "Think"})
        other = await served.api.submit(agent, "Think.")
        await served.provider.wait_for(held_at_least=1)
        await served.api.cancel(other["id"])
        assert (await served.api.ended(other["id"]))["status"] == "cancelled"
        assert (await served.api.task(task["id"]))["status"] == "running"
        served.tools.release()
        await stream.check("cancelled")
        assert len(stream.of_kind("tool_result")) == 1
    assert served.tools.counts() == {"charge": 1}
    assert not worker.logged("attempt_crashed")


async def test_while_its_worker_dies(deployment: Deployment) -> None:
    """A cancelled task of a dead worker is not tried again."""
    deployment.provider.control(hold=True)
    worker = await deployment.start_worker(lease_seconds=SHORT_LEASE)
    task = await deployment.api.submit("openai", "Think.")
    async with deployment.api.follow(task["id"]) as stream:
        await deployment.provider.wait_for(held_at_least=1)
        await worker.kill()
        await deployment.api.cancel(task["id"])
        await deployment.start_worker()
        await stream.check("cancelled")
    assert len(deployment.provider.requests) == 1


async def test_while_the_broker_is_away(deployment: Deployment) -> None:
    deployment.provider.control(script=[LONG], hold=True)
    await deployment.start_worker(lease_seconds=SHORT_LEASE)
    task = await deployment.api.submit("openai", "Think.")
    await deployment.provider.wait_for(held_at_least=1)
    await deployment.servers.take_away("valkey")
    async with deployment.api.follow(task["id"]) as stream:
        await stream.until_seen("status", status="running")
        await deployment.api.cancel(task["id"])
        await stream.check("cancelled")
    await deployment.provider.wait_for(inflight_at_most=0)


async def test_what_has_ended_stays_as_it_is(served: Deployment) -> None:
    task = await served.api.submit("openai", "Hello.")
    ended = await served.api.ended(task["id"])
    await served.api.cancel(task["id"])
    assert await served.api.task(task["id"]) == ended
    assert ended["status"] == "succeeded"
