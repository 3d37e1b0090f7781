"""Dead tasks in the hands of operators: found, understood, and let go on without doing anything twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from .deployment import Deployment
from .http_api import Event
from .processes import Launcher, Process
from .scripts import LONG, calls

PAID = [("input", 1), ("m1", 1), ("s1", 1), ("t1", 1)]
"""The journal of a task that died in its second step, after `charge`."""


class Operator:
    """Somebody with a terminal."""

    def __init__(self, launcher: Launcher, deployment: Deployment) -> None:
        self._launcher = launcher
        self._deployment = deployment

    async def dead(self, *arguments: str, code: int = 0) -> str:
        """What `roadworthy dead …` says; fails unless it ends with this code."""
        process = await self._run(arguments)
        assert await process.ended() == code, process.present_state()
        assert not any("Traceback" in line for line in process.errors), process.present_state()
        return "\n".join([*process.output, *process.errors])

    async def json(self, *arguments: str) -> Any:
        process = await self._run([*arguments, "--json"])
        assert await process.ended() == 0, process.present_state()
        return json.loads("\n".join(process.output))

    async def _run(self, arguments: Sequence[str]) -> Process:
        command = ["dead", *arguments, "--url", self._deployment.api.url]
        return await self._launcher.start("roadworthy", command, {}, self._deployment.folder)


@pytest.fixture
async def operator(launcher: Launcher, served: Deployment) -> AsyncIterator[Operator]:
    yield Operator(launcher, served)


async def die(deployment: Deployment, *messages: str, session_id: str | None = None, tool: str = "charge") -> list[Any]:
    """Tasks that paid in their first step, and whose second one the provider refused as invalid: no outage, after which
    they would end with what they have, but something to mend."""
    provider, tools = deployment.provider, deployment.tools
    before = tools.counts([tool])[tool]
    provider.control(script=[calls(tool), LONG])
    tools.hold(tool)
    fields = {} if session_id is None else {"session_id": session_id}
    tasks = [await deployment.api.submit("openai", message, **fields) for message in messages]
    await tools.until_called(tool, before + len(tasks))
    provider.control(faults=["400/sim-openai"])
    tools.release()
    for task in tasks:
        assert (await deployment.api.ended(task["id"]))["status"] == "dead"
    provider.control(faults=[])
    return tasks


async def goes_on(deployment: Deployment, task_id: str, after: int) -> list[Event]:
    """What a client sees of the next life, which must succeed; it comes back with the number of the last `done`."""
    async with deployment.api.follow(task_id, after) as stream:
        done = await stream.until_done()
        assert done.data["status"] == "succeeded", done
        numbers = [after, *(event.id for event in stream.seen)]
    assert numbers == sorted(set(numbers))
    return stream.seen


async def cursor(deployment: Deployment, task_id: str) -> int:
    """The number of the last event so far."""
    async with deployment.api.follow(task_id) as stream:
        return (await stream.until_done()).id


async def test_it_goes_on_from_the_failed_step_and_pays_once(served: Deployment, operator: Operator) -> None:
    (task,) = await die(served, "Pay for the lamp.")
    task_id, after = task["id"], await cursor(served, task["id"])
    listed = await operator.dead("list", "--since", "1h")
    assert task_id in listed
    assert "1  invalid_model_request  (openai@1)" in listed
    shown = await operator.dead("show", task_id)
    for wanted in ("Pay for the lamp.", "step 2  << failed", "charge of item 1 is done", "mend what the agent sends"):
        assert wanted in shown
    letter = await operator.json("show", task_id)
    assert (letter["failed_step"]["step"], letter["error"]["code"]) == (2, "invalid_model_request")
    assert [(effect["tool"], effect["outcome"]) for effect in letter["effects"]] == [("charge", "done")]

    assert "resumed by dev from step 2" in await operator.dead("resume", task_id, "--note", "key mended")
    seen = await goes_on(served, task_id, after)
    assert [event.data["status"] for event in seen if event.kind == "status"] == ["queued", "running"]
    assert seen[0].data["reason"] == "resumed by dev from step 2"
    assert [event.data["step"] for event in seen if event.kind == "step"] == [2]
    assert served.tools.counts() == {"charge": 1}
    assert await served.journal(task_id) == [*PAID, ("m2", 2)]

    assert "there is nothing to resume" in await operator.dead("resume", task_id, code=1)
    (action,) = (await served.api.get(f"/v1/operator/actions?task_id={task_id}")).body["actions"]
    assert (action["action"], action["operator"], action["note"]) == ("resume", "dev", "key mended")
    assert (action["lane"], action["detail"]["failed_step"]["step"]) == ("openai@1", 2)


async def test_with_another_input_and_a_higher_limit(served: Deployment, operator: Operator) -> None:
    (task,) = await die(served, "Pay for the lmap.")
    task_id, after = task["id"], await cursor(served, task["id"])
    # More steps than the service allows its callers.
    served.provider.control(script=[calls("charge"), *[calls("look_up")] * 11, LONG])
    arguments = ("--input", "Pay for the lamp.", "--limit", "steps=20", "--limit", "cost_usd=3")
    said = await operator.dead("resume", task_id, *arguments)
    assert "from step 2 with an edited input and steps 20 (was 10) and cost_usd 3 (was 1)" in said
    await goes_on(served, task_id, after)
    assert served.tools.counts() == {"charge": 1, "look_up": 11}
    assert "Pay for the lamp." in str(served.provider.requests[-1])
    assert ("user", "Pay for the lamp.") in await served.api.messages(task["session_id"])
    letter = await operator.json("show", task_id)
    assert (letter["limits"]["steps"], letter["usage"]["steps"]) == (20, 13)
    assert letter["actions"][0]["detail"]["input_before"] == "Pay for the lmap."


async def test_on_another_version(served: Deployment, operator: Operator) -> None:
    (task,) = await die(served, "Pay for the lamp.")
    after = await cursor(served, task["id"])
    said = await operator.dead("resume", task["id"], "--version", "2")
    assert "from step 2 on version 2" in said
    assert "no worker serves openai@2 now" in said
    served.settings["ACCEPTANCE_VERSION"] = "2"
    await served.start_worker()
    await goes_on(served, task["id"], after)
    shown = await served.api.task(task["id"])
    assert (shown["version"], shown["generation"]) == ("2", 0)
    assert served.tools.counts() == {"charge": 1}


async def test_from_the_start_only_after_a_look_at_what_was_done(served: Deployment, operator: Operator) -> None:
    (task,) = await die(served, "Pay for the lamp.")
    task_id, after = task["id"], await cursor(served, task["id"])
    refusal = await operator.dead("resume", task_id, "--from-start", code=1)
    assert "effects_would_repeat" in refusal
    assert "charge of item 1 is done" in refusal
    assert (await served.api.task(task_id))["status"] == "dead"
    said = await operator.dead("resume", task_id, "--from-start", "--repeat-effects")
    assert "resumed by dev from the start" in said
    seen = await goes_on(served, task_id, after)
    steps = [(event.data["generation"], event.data["step"]) for event in seen if event.kind == "step"]
    assert steps == [(1, 1), (1, 2)]
    assert served.tools.counts() == {"charge": 2}
    again = [("1/input", 2), ("1/m1", 2), ("1/s1", 2), ("1/t1", 2), ("1/m2", 2)]
    assert await served.journal(task_id) == [*PAID, *again]
    letter = await operator.json("show", task_id)
    assert [usage["model_calls"] for usage in letter["usage_by_generation"]] == [1, 2]
    assert (letter["usage"]["model_calls"], letter["generation"]) == (3, 1)


async def test_a_call_that_may_have_happened_is_no_dead_letter_but_waits_to_be_decided(
    served: Deployment, operator: Operator
) -> None:
    served.tools.failing.add("charge")
    served.provider.control(script=[calls("charge"), LONG])
    task = await served.api.submit("openai", "Pay for the lamp.")
    async with served.api.follow(task["id"]) as stream:
        await stream.until_seen("status", status="waiting")
    (call,) = (await served.api.task(task["id"]))["waiting_for"]
    assert (call["tool"], call["about"]) == ("charge", "effect") and "charge is broken" in call["error"]
    assert f"roadworthy decide {task['id']}" in await operator.dead("show", task["id"], code=1)
    assert served.tools.counts() == {"charge": 1}
    await served.api.cancel(task["id"])


async def test_all_of_a_session_one_after_the_other(served: Deployment, operator: Operator) -> None:
    (first,) = await die(served, "first")
    session_id = first["session_id"]
    tasks = [first]
    for message in ("second", "third"):
        tasks += await die(served, message, session_id=session_id)
    (discarded,) = await die(served, "never mind")
    await operator.dead("discard", discarded["id"], "--note", "spam")
    assert (await served.api.task(discarded["id"]))["status"] == "discarded"

    assert "or --all" in await operator.dead("resume", code=2)
    served.provider.control(script=[calls("charge"), LONG])
    dry = await operator.dead("resume", "--code", "invalid_model_request", "--dry-run")
    assert "3 would be resumed" in dry
    assert {(await served.api.task(task["id"]))["status"] for task in tasks} == {"dead"}
    answer = await operator.json("resume", "--code", "invalid_model_request")
    assert [task["outcome"] for task in answer["tasks"]] == ["resumed"] * 3
    assert [task["id"] for task in answer["tasks"]] == [task["id"] for task in tasks]
    assert {task["status"] for task in answer["tasks"][1:]} <= {"blocked", "queued"}
    await asyncio.gather(*(goes_on_to_the_end(served, task["id"]) for task in tasks))
    ends = [await served.api.task(task["id"]) for task in tasks]
    assert [end["status"] for end in ends] == ["succeeded"] * 3
    query = "select task_id::text from turns where session_id = $1::text::uuid order by position"
    assert [row[0] for row in await served.fetch(query, session_id)] == [task["id"] for task in tasks]
    assert served.tools.counts() == {"charge": 4}
    assert "no dead task matches" in await operator.dead("resume", "--all")


async def goes_on_to_the_end(deployment: Deployment, task_id: str) -> None:
    """The client that comes back after each `done` until the task has succeeded."""
    after = 0
    while (await deployment.api.task(task_id))["status"] != "succeeded":
        async with deployment.api.follow(task_id, after) as stream:
            after = (await stream.until_done()).id
