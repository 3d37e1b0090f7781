"""What a provider, a model and a tool do wrong: tried again where that can help, else a clear end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from .deployment import Deployment
from .scripts import LONG, calls

PYDANTIC_AI = ("openai", "anthropic")
ALL = (*PYDANTIC_AI, "function")


async def each(agents: tuple[str, ...], check: Callable[[str], Awaitable[None]]) -> None:
    """All at the same time: they share a process and do not get in each other's way."""
    await asyncio.gather(*(check(agent) for agent in agents))


def turns(deployment: Deployment, agent: str) -> list[int]:
    """Which step each of the agent's requests to the provider was for."""
    return [request.turn for request in deployment.provider.requests if request.model == f"sim-{agent}"]


@pytest.mark.parametrize(
    ("fault", "agents", "code"),
    [
        ("429", PYDANTIC_AI, "provider_rate_limited"),
        ("500", PYDANTIC_AI, "provider_failed"),
        ("503", PYDANTIC_AI, "provider_overloaded"),
        ("overloaded", PYDANTIC_AI, "provider_overloaded"),
        ("error-event", ("openai",), "provider_failed"),
        ("error-event", ("anthropic",), "provider_overloaded"),
        ("malformed", PYDANTIC_AI, "connection_broken"),
        ("refused", ALL, "connection_broken"),
        ("cut", ALL, "connection_broken"),
    ],
)
async def test_a_fault_that_passes(served: Deployment, fault: str, agents: tuple[str, ...], code: str) -> None:
    """The second step of each task fails once, and is asked again within the same attempt."""
    faults = [f"{fault}@+2/sim-{agent}" for agent in agents]
    served.provider.control(script=[calls("charge"), LONG], faults=faults, retry_after=0.2)

    async def check(agent: str) -> None:
        task = await served.api.submit(agent, "Pay.")
        async with served.api.follow(task["id"]) as stream:
            done = await stream.check()
        assert done["output"] == LONG
        assert turns(served, agent) == [0, 1, 1]
        assert await served.journal(task["id"]) == [("input", 1), ("m1", 1), ("s1", 1), ("t1", 1), ("m2", 1)]
        tries = (await served.api.steps(task["id"]))[1]["tries"]
        assert [(one["model"], one["failure"]) for one in tries] == [(f"sim-{agent}", code), (f"sim-{agent}", None)]

    await each(agents, check)
    assert served.tools.counts() == {"charge": len(agents)}


async def test_a_provider_that_asks_to_wait_is_given_the_time(served: Deployment) -> None:
    served.provider.control(faults=["429@+1/sim-openai", "429@+1/sim-anthropic"], retry_after=3)

    async def check(agent: str) -> None:
        task = await served.api.submit(agent, "Hello.")
        assert (await served.api.ended(task["id"]))["status"] == "succeeded"

    await each(PYDANTIC_AI, check)
    query = "select extract(epoch from ended_at - started_at)::float8 from tasks"
    assert all(row[0] >= 3 for row in await served.fetch(query))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("401", "authentication_failed"),
        ("403", "permission_denied"),
        ("400", "invalid_model_request"),
        ("404", "unknown_model"),
    ],
)
async def test_a_fault_that_stays_ends_the_task_at_once(served: Deployment, fault: str, code: str) -> None:
    provider, api = served.provider, served.api
    provider.control(faults=[f"{fault}@+1/sim-{agent}" for agent in PYDANTIC_AI])

    async def check(agent: str) -> None:
        task = await api.submit(agent, "Hello.")
        async with api.follow(task["id"]) as stream:
            done = await stream.check("dead")
        assert len(turns(served, agent)) == 1
        assert (done["error"]["code"], done["error"]["step"]) == (code, 1)
        assert fault in done["reason"]
        assert f"sim-{agent}" in done["reason"]
        # The session is free for the next message.
        after = await api.submit(agent, "Hello?", session_id=task["session_id"])
        assert (await api.ended(after["id"]))["status"] == "succeeded"

    await each(PYDANTIC_AI, check)


async def test_a_fault_that_comes_again_and_again_ends_the_task(bare_deployment: Deployment) -> None:
    deployment = bare_deployment
    await deployment.start_api(command="serve", max_retries="1")
    deployment.provider.control(faults=["500"])
    task = await deployment.api.submit("openai", "Hello.")
    done = await deployment.api.ended(task["id"])
    assert done["status"] == "dead"
    assert done["reason"].startswith("failed 2 times without progress; last: ")
    assert "500" in done["reason"] and "status page" in done["reason"]
    assert done["error"]["code"] == "provider_failed"
    # Each time it is asked three times, and at the very end with a simplified prompt.
    assert len(deployment.provider.requests) == 7


async def test_a_provider_that_never_answers(served: Deployment) -> None:
    served.provider.control(script=[LONG], faults=[f"hang@+1/sim-{agent}" for agent in ALL])

    async def check(agent: str) -> None:
        task = await served.api.submit(agent, "Hello.", limits={"step_seconds": 0.5})
        async with served.api.follow(task["id"]) as stream:
            done = await stream.check()
            retried = [event.data["reason"] for event in stream.of_kind("status") if "reason" in event.data]
        assert done["output"] == LONG
        assert ["0.5 s" in reason for reason in retried] == [True]
        assert turns(served, agent) == [0, 0]

    await each(ALL, check)


@pytest.mark.parametrize("nonsense", ["arguments", "tool"])
async def test_a_model_that_talks_nonsense_and_comes_to_itself(served: Deployment, nonsense: str) -> None:
    served.provider.control(script=[{"nonsense": nonsense}, calls("charge"), LONG])

    async def check(agent: str) -> None:
        task = await served.api.submit(agent, "Pay.")
        async with served.api.follow(task["id"]) as stream:
            done = await stream.check()
        assert done["output"] == LONG
        assert turns(served, agent) == [0, 1, 2]

    await each(PYDANTIC_AI, check)
    assert served.tools.counts() == {"charge": 2}


@pytest.mark.parametrize("nonsense", ["arguments", "tool"])
async def test_a_model_that_talks_nothing_but_nonsense(served: Deployment, nonsense: str) -> None:
    served.provider.control(script=[{"nonsense": nonsense}] * 20)

    async def check(agent: str) -> None:
        task = await served.api.submit(agent, "Pay.")
        async with served.api.follow(task["id"]) as stream:
            done = await stream.check("dead")
        assert ("tool_that_nobody_has" if nonsense == "tool" else "look_up") in done["reason"]

    await each(PYDANTIC_AI, check)
    assert served.tools.calls == []


@pytest.mark.parametrize("tool", ["reserve", "count_stock"])
async def test_a_tool_that_raises(served: Deployment, tool: str) -> None:
    served.provider.control(script=[calls("look_up", tool), "Never said."])
    served.tools.failing.add(tool)

    async def check(agent: str) -> None:
        task = await served.api.submit(agent, "Go.")
        async with served.api.follow(task["id"]) as stream:
            done = await stream.check("dead")
            # Its neighbour had come to its end and is not lost.
            assert [event.data["tool"] for event in stream.of_kind("tool_result")] == ["look_up"]
        assert {name: done["error"][name] for name in ("code", "step", "tool")} == {
            "code": "tool_call_failed",
            "step": 1,
            "tool": tool,
        }
        assert done["reason"].startswith(f"the tool {tool!r} raised RuntimeError: {tool} is broken; mend the tool")
        assert served.processes[0].logged("attempt_ended", status="dead", task_id=task["id"])

    await each(ALL, check)
    assert served.tools.counts() == {"look_up": 3, tool: 3}


async def test_a_tool_that_must_happen_once_and_raises(served: Deployment) -> None:
    """Nobody knows whether it happened: it waits for a person."""
    tool = "charge"
    served.provider.control(script=[calls("look_up", tool), "Never said."])
    served.tools.failing.add(tool)

    async def check(agent: str) -> None:
        task = await served.api.submit(agent, "Go.")
        async with served.api.follow(task["id"]) as stream:
            await stream.until_seen("status", status="waiting")
            assert [event.data["tool"] for event in stream.of_kind("tool_result")] == ["look_up"]
        shown = await served.api.task(task["id"])
        assert shown["reason"].startswith(
            f"the tool {tool!r} raised RuntimeError: {tool} is broken; it must happen only"
        )
        (call,) = shown["waiting_for"]
        assert (call["tool"], call["about"], call["error"]) == (
            tool,
            "effect",
            f"the tool {tool!r} raised RuntimeError: {tool} is broken",
        )
        await served.api.cancel(task["id"])

    await each(ALL, check)
    assert served.tools.counts() == {"look_up": 3, tool: 3}


async def test_a_model_that_never_comes_to_an_end(served: Deployment) -> None:
    served.provider.control(script=[calls("look_up")] * 20)

    async def check(agent: str) -> None:
        task = await served.api.submit(agent, "Go.", limits={"steps": 3})
        async with served.api.follow(task["id"]) as stream:
            done = await stream.check("partial")
        assert done["reason"] == (
            "the task used up its 3 steps; raise limits.steps if its work takes more; the output is what its tools had "
            "found so far"
        )
        assert done["output"].splitlines() == ["So far:", *["- look_up: look_up of item 1 is done"] * 3]
        assert turns(served, agent) == [0, 1, 2]

    await each(ALL, check)
    assert served.tools.counts() == {"look_up": 9}
