"""What a provider, a model and a tool do wrong: tried again where that can help, else a clear end."""

from __future__ import annotations

import pytest

from .deployment import Deployment
from .scripts import LONG, calls

AGENTS = pytest.mark.parametrize("agent", ["openai", "anthropic"])
ALL_AGENTS = pytest.mark.parametrize("agent", ["openai", "anthropic", "function"])


@AGENTS
@pytest.mark.parametrize("fault", ["429", "500", "503", "overloaded", "error-event"])
async def test_an_error_that_passes(deployment: Deployment, agent: str, fault: str) -> None:
    await _succeeds_at_the_second_try(deployment, agent, fault)


@ALL_AGENTS
@pytest.mark.parametrize("fault", ["refused", "cut"])
async def test_a_connection_that_breaks(deployment: Deployment, agent: str, fault: str) -> None:
    await _succeeds_at_the_second_try(deployment, agent, fault)


@AGENTS
async def test_an_answer_that_is_not_json(deployment: Deployment, agent: str) -> None:
    await _succeeds_at_the_second_try(deployment, agent, "malformed")


async def _succeeds_at_the_second_try(deployment: Deployment, agent: str, fault: str) -> None:
    provider, api = deployment.provider, deployment.api
    # The second step of the task fails once: the first one, with its tool, must not be done again.
    provider.control(script=[calls("charge"), LONG], faults=[f"{fault}@+2"], retry_after=0.2)
    await deployment.start_worker()
    task = await api.submit(agent, "Pay.")
    async with api.follow(task["id"]) as stream:
        done = await stream.check()
        retried = [event.data for event in stream.of_kind("status") if "reason" in event.data]
    assert done["output"] == LONG
    assert [request.turn for request in provider.requests] == [0, 1, 1]
    assert deployment.tools.counts() == {"charge": 1}
    assert await deployment.journal(task["id"]) == [("input", 1), ("m1", 1), ("s1", 1), ("t1", 1), ("m2", 2)]
    assert [event["status"] for event in retried] == ["queued"]
    assert f"sim-{agent}" in retried[0]["reason"]


@AGENTS
async def test_a_provider_that_asks_to_wait_is_given_the_time(deployment: Deployment, agent: str) -> None:
    deployment.provider.control(faults=["429@+1"], retry_after=3)
    await deployment.start_worker()
    task = await deployment.api.submit(agent, "Hello.")
    ended = await deployment.api.ended(task["id"])
    assert ended["status"] == "succeeded"
    query = "select extract(epoch from ended_at - started_at)::float8 from tasks"
    assert (await deployment.fetch(query))[0][0] >= 3


@AGENTS
@pytest.mark.parametrize("fault", ["401", "403", "400", "404"])
async def test_an_error_that_stays_ends_the_task_at_once(deployment: Deployment, agent: str, fault: str) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(faults=[fault])
    await deployment.start_worker()
    task = await api.submit(agent, "Hello.")
    async with api.follow(task["id"]) as stream:
        done = await stream.check("dead")
    assert len(provider.requests) == 1
    assert done["error"]["code"] == "model_call_failed"
    assert fault in done["reason"]
    assert f"sim-{agent}" in done["reason"]
    # The session is free for the next message.
    provider.control(faults=[])
    after = await api.submit(agent, "Hello?", session_id=task["session_id"])
    assert (await api.ended(after["id"]))["status"] == "succeeded"


async def test_an_error_that_comes_again_and_again_ends_the_task(deployment: Deployment) -> None:
    deployment.provider.control(faults=["500"])
    await deployment.start_worker(max_retries="1")
    task = await deployment.api.submit("openai", "Hello.")
    done = await deployment.api.ended(task["id"])
    assert done["status"] == "dead"
    assert done["reason"].startswith("failed 2 times without progress; last: ")
    assert "500" in done["reason"]
    assert len(deployment.provider.requests) == 2


@ALL_AGENTS
async def test_a_provider_that_never_answers(deployment: Deployment, agent: str) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=[LONG], faults=["hang@+1"])
    await deployment.start_worker()
    task = await api.submit(agent, "Hello.", limits={"step_seconds": 0.5})
    async with api.follow(task["id"]) as stream:
        done = await stream.check()
        retried = [event.data["reason"] for event in stream.of_kind("status") if "reason" in event.data]
    assert done["output"] == LONG
    assert ["0.5 s" in reason for reason in retried] == [True]
    assert len(provider.requests) == 2


@AGENTS
@pytest.mark.parametrize("nonsense", ["arguments", "tool"])
async def test_a_model_that_talks_nonsense_and_comes_to_itself(
    deployment: Deployment, agent: str, nonsense: str
) -> None:
    deployment.provider.control(script=[{"nonsense": nonsense}, calls("charge"), LONG])
    await deployment.start_worker()
    task = await deployment.api.submit(agent, "Pay.")
    async with deployment.api.follow(task["id"]) as stream:
        done = await stream.check()
    assert done["output"] == LONG
    assert [request.turn for request in deployment.provider.requests] == [0, 1, 2]
    assert deployment.tools.counts() == {"charge": 1}


@AGENTS
@pytest.mark.parametrize("nonsense", ["arguments", "tool"])
async def test_a_model_that_talks_nothing_but_nonsense(deployment: Deployment, agent: str, nonsense: str) -> None:
    deployment.provider.control(script=[{"nonsense": nonsense}] * 20)
    await deployment.start_worker()
    task = await deployment.api.submit(agent, "Pay.")
    async with deployment.api.follow(task["id"]) as stream:
        done = await stream.check("dead")
    wrong = "tool_that_nobody_has" if nonsense == "tool" else "look_up"
    assert wrong in done["reason"]
    assert deployment.tools.calls == []


@ALL_AGENTS
@pytest.mark.parametrize("tool", ["charge", "reserve", "count_stock"])
async def test_a_tool_that_raises(deployment: Deployment, agent: str, tool: str) -> None:
    deployment.provider.control(script=[calls("look_up", tool), "Never said."])
    deployment.tools.failing.add(tool)
    worker = await deployment.start_worker()
    task = await deployment.api.submit(agent, "Go.")
    async with deployment.api.follow(task["id"]) as stream:
        done = await stream.check("dead")
        # Its neighbour had come to its end and is not lost.
        assert [event.data["tool"] for event in stream.of_kind("tool_result")] == ["look_up"]
    assert done["error"]["code"] == "tool_call_failed"
    assert done["reason"] == f"the tool {tool!r} raised RuntimeError: {tool} is broken"
    assert deployment.tools.counts() == {"look_up": 1, tool: 1}
    assert worker.logged("attempt_ended", status="dead")


@ALL_AGENTS
async def test_a_model_that_never_comes_to_an_end(deployment: Deployment, agent: str) -> None:
    deployment.provider.control(script=[calls("look_up")] * 20)
    await deployment.start_worker()
    task = await deployment.api.submit(agent, "Go.", limits={"steps": 3})
    async with deployment.api.follow(task["id"]) as stream:
        done = await stream.check("partial")
    assert done["reason"] == "the task used up its 3 steps"
    assert len(deployment.provider.requests) == 3
    assert deployment.tools.counts() == {"look_up": 3}
