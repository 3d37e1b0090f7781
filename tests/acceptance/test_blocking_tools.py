"""Tools that hold up what is not theirs."""

from __future__ import annotations

import pytest

from .deployment import SHORT_LEASE, Deployment
from .scripts import LONG, calls

AGENTS = pytest.mark.parametrize("agent", ["openai", "function"])


@AGENTS
async def test_an_async_tool_that_blocks_is_named_and_costs_nobody_a_lease(deployment: Deployment, agent: str) -> None:
    """Everything of its worker stands still for longer than the lease; the heartbeat does not."""
    provider, api = deployment.provider, deployment.api
    rules = [
        {"contains": "Block", "replies": [calls("block_the_loop"), LONG]},
        {"contains": "Wait", "replies": [calls("reserve"), LONG]},
    ]
    provider.control(script={"rules": rules})
    deployment.tools.hold("reserve")
    worker, _ = await deployment.start_workers(2, lease_seconds=SHORT_LEASE)
    neighbours = [await api.submit(agent, f"Wait {n}.") for n in range(4)]
    await deployment.tools.until_called("reserve", 4)
    task = await api.submit(agent, "Block.")
    await deployment.tools.until_called("block_the_loop")
    worker = await deployment.worker_of(task["id"])
    blocked = await worker.until_logged("event_loop_blocked")
    assert blocked["tool"] == "block_the_loop"
    assert blocked["task_id"] == task["id"]
    assert blocked["pid"] == worker.pid
    assert "services.py" in blocked["at"]
    assert "plain `def`" in blocked["advice"]
    deployment.tools.release()
    for one in (task, *neighbours):
        ended = await api.ended(one["id"])
        assert (ended["status"], ended["attempt"]) == ("succeeded", 1)
    assert deployment.tools.counts() == {"reserve": 4, "block_the_loop": 1}
    for each in deployment.workers:
        assert not each.logged("lease_lost")


@AGENTS
async def test_a_plain_function_runs_in_a_thread_and_stalls_nobody(served: Deployment, agent: str) -> None:
    provider, api = served.provider, served.api
    rules = [{"contains": "Block", "replies": [calls("count_stock"), LONG]}, {"replies": [LONG]}]
    provider.control(script={"rules": rules})
    served.tools.hold("count_stock")
    worker = served.processes[0]
    blocking = [await api.submit(agent, f"Block {n}.") for n in range(10)]
    await served.tools.until_called("count_stock", 10)
    # All ten are in the middle of a call that does not return, and others come and go.
    for number in range(5):
        assert (await api.ended((await api.submit(agent, f"Hello {number}."))["id"]))["status"] == "succeeded"
    served.tools.release()
    for task in blocking:
        assert (await api.ended(task["id"]))["status"] == "succeeded"
    assert served.tools.counts() == {"count_stock": 10}
    assert not worker.logged("event_loop_blocked")


async def test_as_many_tools_block_in_threads_as_tasks_may_run(deployment: Deployment) -> None:
    deployment.provider.control(script=[calls("count_stock"), LONG])
    deployment.tools.hold("count_stock")
    await deployment.start_worker(worker_concurrency="60")
    tasks = [await deployment.api.submit(["openai", "function"][n % 2], f"Block {n}.") for n in range(60)]
    await deployment.tools.until_called("count_stock", 60)
    deployment.tools.release()
    for task in tasks:
        assert (await deployment.api.ended(task["id"]))["status"] == "succeeded"
