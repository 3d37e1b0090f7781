"""Each clock of a task that runs out ends it, with a reason of its own; and so does whatever hangs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from .deployment import SHORT_LEASE, Deployment
from .scripts import LONG, calls

HANGING = f"{Path(__file__).with_name('hanging_services.py')}:services"


async def test_waiting_for_a_worker(deployment: Deployment) -> None:
    api = deployment.api
    task = await api.submit("openai", "Hello.", limits={"queue_seconds": 0.2})
    behind = await api.submit("openai", "And?", session_id=task["session_id"], limits={"queue_seconds": 0.1})
    ended, blocked = await api.ended(task["id"]), await api.ended(behind["id"])
    assert (ended["status"], blocked["status"]) == ("expired", "expired")
    assert ended["reason"].startswith("it waited longer than 0.2 seconds for a worker; see that workers")
    assert "0.1 seconds for" in blocked["reason"]
    assert ended["error"]["code"] == "expired"


async def test_running_time_counts_over_attempts_that_were_lost(deployment: Deployment) -> None:
    """The first attempt uses up what the second would need."""
    provider, api = deployment.provider, deployment.api
    provider.control(script=[calls("reserve"), LONG], hold={"turn": 1, "after_tokens": 2})
    worker = await deployment.start_worker(lease_seconds=SHORT_LEASE)
    task = await api.submit("openai", "Reserve it.", limits={"total_seconds": 2})
    async with api.follow(task["id"]) as stream:
        await provider.wait_for(held_at_least=1)
        # Its worker has been heard of long after that.
        seen = """
            select 1 from workers w join tasks t on t.worker_id = w.id
            where w.last_seen > t.started_at + interval '1.2 s'
        """
        async with asyncio.timeout(20):
            while not await deployment.fetch(seen):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await worker.kill()
        await deployment.start_worker()
        done = await stream.check("partial")
    assert done["reason"].startswith("the task used up its 2 s of running time; raise limits.total_seconds")
    assert done["error"]["code"] == "limit_reached"
    # What the lost attempt has used is not forgotten.
    assert (done["usage"]["model_calls"], done["usage"]["tool_calls"]) == (1, 1)
    spent = await deployment.fetch("select running_seconds from tasks")
    assert spent[0][0] >= 1.2


async def test_usage_of_a_task_that_ends_with_its_worker(bare_deployment: Deployment) -> None:
    deployment = bare_deployment
    await deployment.start_api()
    await deployment.start_upkeep(lease_seconds=SHORT_LEASE, max_retries="0")
    deployment.provider.control(script=[calls("reserve"), LONG], hold={"turn": 1})
    worker = await deployment.start_worker(lease_seconds=SHORT_LEASE)
    task = await deployment.api.submit("openai", "Reserve it.")
    await deployment.provider.wait_for(held_at_least=1)
    await worker.kill()
    done = await deployment.api.ended(task["id"])
    assert (done["status"], done["error"]["code"]) == ("dead", "lease_lost")
    assert (done["usage"]["model_calls"], done["usage"]["tool_calls"]) == (1, 1)
    assert done["usage"]["input_tokens"] > 0


async def test_whatever_hangs_ends_and_who_waits_for_a_person_waits_no_longer_than_allowed(
    bare_deployment: Deployment,
) -> None:
    deployment = bare_deployment
    deployment.targets = [HANGING]
    process, api = await deployment.start_api(command="serve", max_retries="0", worker_concurrency="6")
    ways = ("model", "tool", "thread", "agent", "stubborn agent")
    tasks = {way: await api.submit("hanging", way) for way in ways}
    paying = await api.submit("paying", "thread", limits={"waiting_seconds": 0.2})
    async with api.follow(paying["id"]) as stream:
        unknown = await stream.until_seen("status", status="waiting")
    assert "the tool 'in_a_thread' did not come back within 1 s; it must happen only once" in unknown.data["reason"]
    ended = {way: await api.ended(task["id"]) for way, task in tasks.items()}
    assert {way: (task["status"], task["error"]["code"]) for way, task in ended.items()} == {
        "model": ("dead", "model_timed_out"),
        "tool": ("dead", "tool_timed_out"),
        "thread": ("dead", "tool_timed_out"),
        "agent": ("dead", "agent_hung"),
        "stubborn agent": ("dead", "agent_hung"),
    }
    assert "the model 'gpt'" in ended["model"]["reason"]
    assert ended["tool"]["error"]["tool"] == "ignoring_cancellation"
    assert ended["thread"]["error"]["tool"] == "in_a_thread"
    left = {entry["what"] for entry in process.log if entry.get("event") == "call_abandoned"}
    assert left == {
        "the model 'gpt'",
        "the tool 'ignoring_cancellation'",
        "the tool 'in_a_thread'",
        "the agent's own code",
    }
    expired = await api.ended(paying["id"])
    assert (expired["status"], expired["error"]["code"]) == ("expired", "expired")
    assert expired["reason"].startswith(
        "it waited longer than 0.2 seconds for a decision; a call that waited for approval was not made"
    )
    # Its six slots are free, and it ends when it is asked to although four of them left something behind.
    more = [await api.submit("hanging", f"well {number}") for number in range(12)]
    assert {(await api.ended(task["id"]))["status"] for task in more} == {"succeeded"}
