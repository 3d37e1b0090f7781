"""A worker is killed at the worst moments: another one goes on, and nothing that was finished is done twice."""

from __future__ import annotations

import pytest

from .deployment import SHORT_LEASE, Deployment

AGENTS = pytest.mark.parametrize("agent", ["openai", "anthropic", "function"])


def tools(*names: str) -> dict[str, list[dict[str, object]]]:
    """A reply that calls these tools."""
    return {"tools": [{"name": name, "arguments": {"item": f"{name} {i}"}} for i, name in enumerate(names)]}


@AGENTS
async def test_in_the_middle_of_a_model_call(deployment: Deployment, agent: str) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=[tools("charge"), "All is paid."])
    await deployment.start_workers(2, lease_seconds=SHORT_LEASE)
    provider.control(hold={"turn": 1})
    task = await api.submit(agent, "Pay.")
    async with api.follow(task["id"]) as stream:
        await provider.wait_for(held_at_least=1)
        await (await deployment.worker_of(task["id"])).kill()
        await provider.wait_for(requests_at_least=3)
        provider.control(hold=False)
        done = await stream.check()
    assert done["output"] == "All is paid."
    # The call that the dead worker never heard back from, and no other, was made again.
    assert [request.turn for request in provider.requests] == [0, 1, 1]
    assert deployment.tools.counts() == {"charge": 1}
    assert await deployment.journal(task["id"]) == [("input", 1), ("m1", 1), ("s1", 1), ("t1", 1), ("m2", 2)]
