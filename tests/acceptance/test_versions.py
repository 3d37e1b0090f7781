"""Deploys of another version while tasks of the first one are everywhere."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from .deployment import Deployment
from .http_api import Api
from .processes import Process
from .scripts import LONG, calls

VERSIONS = Path(__file__).with_name("versions.py")
NOBODY = "no worker serves function@1"


async def start_version(deployment: Deployment, version: str, **settings: str) -> Process:
    """A worker of that version."""
    deployment.targets = [f"{VERSIONS}:{version}"]
    return await deployment.start_worker(**settings)


async def start_api_of(deployment: Deployment, version: str) -> Api:
    deployment.targets = [f"{VERSIONS}:{version}"]
    return (await deployment.start_api())[1]


async def versions_of_steps(api: Api, task_id: str) -> list[str]:
    answer = await api.get(f"/v1/tasks/{task_id}/steps")
    return [step["version"] for step in answer.body["steps"]]


async def test_a_deploy_leaves_every_task_on_its_version_and_repeats_nothing(deployment: Deployment) -> None:
    provider, tools, old_api = deployment.provider, deployment.tools, deployment.api
    provider.control(
        script={
            "rules": [
                {"contains": "stream", "replies": [LONG]},
                {"contains": "tool", "replies": [calls("charge"), LONG]},
                {"contains": "model", "replies": [calls("reserve"), LONG]},
                {"replies": ["quick"]},
            ]
        },
        hold={"contains": "hold", "after_tokens": 3},
        faults=["429@1/sim-anthropic"],
        retry_after=6,  # longer than a call waits by itself
    )
    tools.hold("charge")
    leaving = await start_version(deployment, "first", worker_concurrency="4")
    messages = {
        "in a pause": ("anthropic", "retry"),
        "in a stream": ("openai", "stream, hold"),
        "in a model call": ("function", "model, hold"),
        "in a tool call": ("openai", "tool"),
        "in a tool call of a function": ("function", "tool"),
    }
    tasks: dict[str, str] = {}
    async with AsyncExitStack() as streams:
        followed = {}
        for where, (agent, message) in messages.items():
            receipt = await old_api.submit(agent, message)
            tasks[where] = receipt["id"]
            followed[where] = await streams.enter_async_context(old_api.follow(receipt["id"]))
            if where == "in a pause":
                await followed[where].until_seen("status", 2, status="queued")
            if where == "in a stream":
                await followed[where].until_text("one two three ")
                behind = await old_api.submit(agent, "blocked", session_id=receipt["session_id"])
        await tools.until_called("charge", 2)
        await provider.wait_for(held_at_least=2)
        tasks["blocked"], tasks["queued"] = behind["id"], (await old_api.submit("openai", "queued"))["id"]
        statuses = {where: (await old_api.task(task_id))["status"] for where, task_id in tasks.items()}
        assert {statuses.pop(where) for where in ("in a pause", "queued")} == {"queued"}
        assert statuses.pop("blocked") == "blocked"
        assert set(statuses.values()) == {"running"}

        new_api = await start_api_of(deployment, "second")
        await start_version(deployment, "second")
        await start_version(deployment, "first")
        ending = asyncio.create_task(leaving.terminate())
        await leaving.until_logged("worker_draining", running=4)
        provider.control(hold=False)
        tools.release()
        assert await ending == 0
        done = {where: await stream.check() for where, stream in followed.items()}
    assert {where: data["output"] for where, data in done.items() if where != "in a pause"} == dict.fromkeys(
        [where for where in messages if where != "in a pause"], LONG
    )
    for where, task_id in tasks.items():
        ended = await old_api.ended(task_id)
        assert (where, ended["status"], ended["version"]) == (where, "succeeded", "1")
        assert set(await versions_of_steps(old_api, task_id)) == {"1"}
    new = await new_api.ended((await new_api.submit("function", "new"))["id"])
    assert (new["status"], new["version"]) == ("succeeded", "2")
    asked = [(request.model, request.message, request.turn) for request in provider.requests]
    assert len(asked) == len(set(asked)) + 1
    assert asked.count(("sim-anthropic", "retry", 0)) == 2
    assert tools.counts() == {"charge": 2, "reserve": 1}
    lanes = await deployment.fetch("select lanes from workers where lease_expires_at > now()")
    assert len(lanes) == 2


async def test_a_newer_version_continues_what_it_can_and_gives_the_rest_back(deployment: Deployment) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=[calls("charge"), LONG], hold={"turn": 1, "after_tokens": 2})
    leaving = await start_version(deployment, "first", drain_seconds="0.1")
    tasks = {agent: await api.submit(agent, "Pay.") for agent in ("openai", "function")}
    async with api.follow(tasks["openai"]["id"]) as continued, api.follow(tasks["function"]["id"]) as parked:
        for stream in (continued, parked):
            await stream.until_text("one two ")
        await start_version(deployment, "changed")
        assert await leaving.terminate() == 0
        provider.control(hold=False)
        await continued.check()
        await continued.until_seen("status", reason="continued by version 2")
        waiting = (await parked.until_seen("status", status="waiting")).data["reason"]
        assert "start a worker of version '1' and the task goes on there by itself" in waiting
        await start_version(deployment, "first")
        await parked.check()
    for agent, versions in (("openai", ["1", "2"]), ("function", ["1", "1"])):
        ended = await api.task(tasks[agent]["id"])
        assert (ended["status"], ended["version"], ended["output"]) == ("succeeded", "1", LONG)
        assert await versions_of_steps(api, tasks[agent]["id"]) == versions
        assert await deployment.failures(tasks[agent]["id"]) == 0
    turns = [request.turn for request in provider.requests]
    assert (turns.count(0), turns.count(1)) == (2, 4)
    assert deployment.tools.counts() == {"charge": 2}


async def test_tasks_that_nobody_runs_say_so_and_can_be_moved(bare_deployment: Deployment) -> None:
    deployment = bare_deployment
    deployment.provider.control(script=[LONG])
    api = await start_api_of(deployment, "first")
    task = await api.submit("function", "Hello.")
    # As if it had been waiting for an hour: the last worker is long gone.
    await deployment.fetch("update tasks set created_at = created_at - interval '1 hour'")
    upkeep = await deployment.start_upkeep()
    await start_version(deployment, "second")
    async with api.follow(task["id"]) as stream:
        told = await stream.until_seen("status", 2, status="queued")
        assert told.data["reason"].startswith(NOBODY)
        alarm = await upkeep.until_logged("lane_without_worker", lane="function@1", queued=1)
        assert alarm["level"] == "error"
        (lane,) = [lane for lane in (await api.get("/v1/operator/queue")).body["lanes"] if lane["stranded"]]
        assert (lane["lane"], lane["queued"], lane["workers"]) == ("function@1", 1, 0)
        shown = await deployment.start("queue", "--url", api.url)
        assert await shown.ended() == 0
        advice = f'{NOBODY}; start one, declare continues=["1"], or move its tasks: '
        assert shown.output[-1] == f"{advice}roadworthy queue move function@1 --to 2"
        moved = await deployment.start("queue", "move", "function@1", "--to", "2", "--url", api.url)
        assert await moved.ended() == 0
        assert moved.output == ["1 task of function@1 went to function@2"]
        await stream.check()
    ended = await api.task(task["id"])
    assert (ended["version"], ended["output"]) == ("2", LONG)
    (action,) = (await api.get("/v1/operator/actions")).body["actions"]
    assert (action["action"], action["lane"]) == ("move", "function@1")


async def test_a_laptop_that_comes_back_with_another_version_names_what_it_leaves_behind(
    bare_deployment: Deployment,
) -> None:
    deployment = bare_deployment
    deployment.settings |= {"ROADWORTHY_DATABASE_URL": "embedded", "ROADWORTHY_REDIS_URL": "embedded"}
    deployment.settings["ROADWORTHY_DATA_DIR"] = str(deployment.folder / "data")
    deployment.provider.control(script=[LONG], hold=True)

    async def serve(version: str) -> tuple[Process, Api]:
        deployment.targets = [f"{VERSIONS}:{version}"]
        return await deployment.start_api(command="serve")

    server, api = await serve("first")
    running = await api.submit("function", "Hello.")
    blocked = await api.submit("function", "And then?", session_id=running["session_id"])
    await deployment.provider.wait_for(held_at_least=1)
    await server.kill()
    deployment.provider.control(hold=False)

    server, api = await serve("second")
    said = await server.until_output("2 open tasks of function@1 will not run")
    assert said.endswith("roadworthy queue move function@1 --to 2")
    await server.until_logged("tasks_nobody_runs", lane="function@1", tasks=2)
    assert (await api.task(running["id"]))["status"] == "queued"
    assert await server.terminate() == 0

    server, api = await serve("continuing")
    for task in (running, blocked):
        ended = await api.ended(task["id"])
        assert (ended["status"], ended["version"], ended["output"]) == ("succeeded", "1", LONG)
    assert not [line for line in server.output if "will not run" in line]
