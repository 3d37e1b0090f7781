"""`roadworthy serve` with its own servers: killed, stopped and started again on the same data folder."""

from __future__ import annotations

import asyncio

from roadworthy.testing.simulated_provider import SimulatedProvider

from .deployment import TARGET, Deployment
from .http_api import Api, TaskStream
from .processes import Process, execute
from .scripts import LONG, calls


async def serve(deployment: Deployment, *, really: bool = False) -> tuple[Process, Api]:
    """A server with servers of its own in `data`; its lease is far longer than any of these tests."""
    deployment.settings |= {"ROADWORTHY_DATABASE_URL": "embedded", "ROADWORTHY_REDIS_URL": "embedded"}
    deployment.settings |= {"ROADWORTHY_DATA_DIR": str(deployment.folder / "data"), "ROADWORTHY_LEASE_SECONDS": "600"}
    if not really:
        return await deployment.start_api(command="serve")
    process = await execute(["serve", TARGET, "--port", "0"], deployment.settings, deployment.folder)
    deployment.processes.append(process)
    return process, await deployment.api_of(process)


async def test_killed_and_started_again_it_goes_on_at_once(
    bare_deployment: Deployment, provider: SimulatedProvider
) -> None:
    provider.control(script=[calls("look_up", "charge"), LONG], hold={"turn": 1, "after_tokens": 2})
    server, api = await serve(bare_deployment, really=True)
    tasks = [await api.submit(agent, "Pay.") for agent in ("openai", "anthropic", "function")]
    streams = [api.follow(task["id"]) for task in tasks]
    for stream in streams:
        await stream.__aenter__()
        await stream.until_text("one two ")
    waiting = await api.submit("openai", "And then?", session_id=tasks[0]["session_id"])
    seen = [stream.seen for stream in streams]
    await server.kill()
    for stream in streams:
        await stream.__aexit__()

    _, api = await serve(bare_deployment)
    await provider.wait_for(requests_at_least=9)
    provider.control(hold=False)
    for task, before in zip(tasks, seen, strict=True):
        stream = TaskStream([api], task["id"], after=before[-1].id)
        async with stream:
            await stream.until_done()
        both = TaskStream([api], task["id"])
        both.seen = before + stream.seen
        assert (await both.check())["output"] == LONG
    assert (await api.ended(waiting["id"]))["status"] == "succeeded"
    first = [request.turn for request in provider.requests if request.message == "Pay."]
    assert sorted(first) == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert bare_deployment.tools.counts() == {"look_up": 4, "charge": 4}
    journal = await api.get(f"/v1/tasks/{tasks[0]['id']}/steps")
    assert [step["attempt"] for step in journal.body["steps"]] == [1, 2]


async def test_asked_to_end_it_hands_its_tasks_to_its_successor(
    bare_deployment: Deployment, provider: SimulatedProvider
) -> None:
    provider.control(script=[calls("charge"), "All is paid."])
    bare_deployment.tools.hold("charge")
    server, api = await serve(bare_deployment)
    task = await api.submit("openai", "Pay.")
    await bare_deployment.tools.until_called("charge")
    ending = asyncio.create_task(server.terminate())
    await server.until_logged("worker_draining", running=1)
    bare_deployment.tools.release()
    assert await ending == 0

    _, api = await serve(bare_deployment)
    ended = await api.ended(task["id"])
    assert (ended["status"], ended["output"], ended["attempt"]) == ("succeeded", "All is paid.", 2)
    assert [request.turn for request in provider.requests] == [0, 1]
    assert bare_deployment.tools.counts() == {"charge": 1}


async def test_asked_to_end_while_nothing_runs(bare_deployment: Deployment) -> None:
    server, api = await serve(bare_deployment)
    assert (await api.get("/ready")).status == 200
    assert await server.terminate() == 0
