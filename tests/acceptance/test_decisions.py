"""People decide about tool calls: what they were asked survives everything, and what they say happens once, as said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .deployment import Deployment
from .effect_database import EffectDatabase
from .effect_deployment import LEASE
from .gates import Gate
from .http_api import TaskStream
from .people import decide, told_to, waiting_for

SECOND_VERSION = f"{Path(__file__).with_name('effect_services.py')}:continuing"
AGENTS = ("pydantic_ai", "function")


_GIVE_TO_ANNA = (
    "update sessions set owner = 'anna' where id = (select session_id from tasks where id = $1::text::uuid)",
    "update tasks set owner = 'anna' where id = $1::text::uuid",
)
_STATUS = "select status from tasks where id = $1::text::uuid"


def refunds(*items: str, amount: int = 10) -> str:
    """All in one reply."""
    return json.dumps([[("refund", {"item": item, "amount": amount}) for item in items]])


async def asked(stream: TaskStream, times: int = 1) -> list[str]:
    """The calls that the task waits for, once it waits for the so-manieth time."""
    await stream.until_seen("status", times, status="waiting")
    assert stream.api is not None
    return [pending["call_id"] for pending in await waiting_for(stream.api, stream.task_id)]


async def refunded(effects: EffectDatabase, task_id: str) -> list[str]:
    return [effect.item for effect in await effects.effects(task_id)]


async def results(stream: TaskStream) -> list[dict[str, Any]]:
    return [event.data for event in stream.of_kind("tool_result")]


async def test_a_question_outlives_every_process_and_a_deploy(
    bare_deployment: Deployment, effects: EffectDatabase
) -> None:
    deployment = bare_deployment
    await deployment.start_worker(lease_seconds=LEASE)
    tasks = [await deployment.api.submit(agent, refunds("the shoes")) for agent in AGENTS]
    for task in tasks:
        async with deployment.api.follow(task["id"]) as stream:
            (call,) = await asked(stream)
            (approval,) = stream.of_kind("approval")
            assert (approval.data["call_id"], approval.data["about"]) == (call, "approval")
    for process in deployment.processes:
        await process.kill()
    deployment.targets = [SECOND_VERSION]
    await deployment.start_upkeep(lease_seconds=LEASE)
    _, api = await deployment.start_api(lease_seconds=LEASE)
    await deployment.start_worker(lease_seconds=LEASE)
    for task in tasks:
        (pending,) = await waiting_for(api, task["id"])
        assert (pending["tool"], pending["arguments"]) == ("refund", {"item": "the shoes", "amount": 10})
        assert (await decide(api, task["id"], pending["call_id"], "approve", note="go ahead")).status == 200
        async with api.follow(task["id"]) as stream:
            await stream.check()
            (result,) = await results(stream)
        assert result["decision"].items() >= {"verdict": "approve", "by": "dev", "note": "go ahead"}.items()
        assert await refunded(effects, task["id"]) == ["the shoes for 10"]
        assert await told_to(api, task["id"]) == ["refund of the shoes for 10 is done"]


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where a worker is killed on the way of a call that must be allowed, and what becomes of its last statement."""

    entry: str | None
    status: str | None
    commits: bool

    @property
    def is_asked_first(self) -> bool:
        """Whether it is killed before anybody decided."""
        return self.entry is None or self.entry.startswith("w")


BOUNDARIES = (
    Boundary("w1:%", None, commits=False),
    Boundary("w1:%", None, commits=True),
    Boundary(None, "waiting", commits=False),
    Boundary(None, "waiting", commits=True),
    Boundary("s1:%", None, commits=False),
    Boundary("s1:%", None, commits=True),
    Boundary("t1:%", None, commits=False),
    Boundary("t1:%", None, commits=True),
)
LOST_EFFECT, LOST_RESULT = BOUNDARIES[5], BOUNDARIES[6]


async def nobody_answers(deployment: Deployment, effects: EffectDatabase) -> None:
    """What is asked expires."""
    api = deployment.api
    task = (await api.submit("function", refunds("the shoes"), limits={"waiting_seconds": 1}))["id"]
    async with api.follow(task) as stream:
        (call,) = await asked(stream)
        done = await stream.check("expired")
    assert "waiting_seconds" in done["reason"]
    late = await decide(api, task, call, "approve")
    assert (late.status, late.body["code"]) == (409, "not_pending")
    assert await refunded(effects, task) == []


async def test_a_worker_is_killed_at_every_boundary_of_an_approval_that_else_expires(
    bare_deployment: Deployment, effects: EffectDatabase
) -> None:
    deployment, api = bare_deployment, bare_deployment.api
    unanswered = asyncio.create_task(nobody_answers(deployment, effects))
    async with AsyncExitStack() as stack:
        tasks: list[tuple[Boundary, TaskStream, Gate]] = []
        for place, boundary in enumerate(BOUNDARIES):
            task = await api.submit(AGENTS[place % 2], refunds("the shoes"))
            closed = deployment.gate(entry=boundary.entry, status=boundary.status, task_id=task["id"])
            stream = await stack.enter_async_context(api.follow(task["id"]))
            tasks.append((boundary, stream, await stack.enter_async_context(closed)))

        async def kill_all_at(trials: Sequence[tuple[Boundary, TaskStream, Gate]]) -> None:
            await asyncio.gather(*(gate.until_reached() for *_, gate in trials))
            await asyncio.gather(*(worker.kill() for worker in deployment.workers if worker.status is None))
            for boundary, _, gate in trials:
                await (gate.open() if boundary.commits else gate.end_who_waits())

        async def start(count: int) -> None:
            await deployment.start_workers(count, lease_seconds=LEASE, worker_concurrency="1")

        # Those that are killed before anybody decided; the others wait meanwhile.
        await start(len(BOUNDARIES))
        for boundary, stream, _ in tasks:
            if not boundary.is_asked_first:
                await asked(stream)
        await kill_all_at([trial for trial in tasks if trial[0].is_asked_first])
        await start(4)
        for _, stream, _ in tasks:
            (call,) = await asked(stream)
            assert len(stream.of_kind("approval")) == 1
            assert await refunded(effects, stream.task_id) == []
            assert (await decide(api, stream.task_id, call, "approve")).status == 200
        for boundary, stream, _ in tasks:
            if boundary.is_asked_first:
                await stream.check()
        await kill_all_at([trial for trial in tasks if not trial[0].is_asked_first])
        await start(2)
        for boundary, stream, _ in tasks:
            if boundary in (LOST_EFFECT, LOST_RESULT):
                # It was allowed once; whether it has happened since is another question.
                (call,) = await asked(stream, 2)
                (pending,) = await waiting_for(api, stream.task_id)
                assert (pending["about"], pending["call_id"]) == ("effect", call)
                verdict = "not_done" if boundary is LOST_EFFECT else "done"
                while (answer := await decide(api, stream.task_id, call, verdict)).status == 409:
                    assert answer.body["code"] == "decision_too_soon"
                    await asyncio.sleep(float(answer.headers["retry-after"]))
                assert answer.status == 200
            await stream.check()
            happened = [] if boundary is LOST_EFFECT else ["the shoes for 10"]
            assert await refunded(effects, stream.task_id) == happened, boundary
    await unanswered


async def test_what_people_say_is_done(bare_deployment: Deployment, effects: EffectDatabase) -> None:
    deployment, api = bare_deployment, bare_deployment.api
    await deployment.start_worker(lease_seconds=LEASE)
    for agent in AGENTS:
        task = (await api.submit(agent, refunds("shoes", "socks", "hats", "gloves")))["id"]
        async with api.follow(task) as stream:
            shoes, socks, hats, gloves = await asked(stream)
            # The last one first: what is decided is done, and the others are waited for again.
            await decide(api, task, gloves, "approve", value={"item": "gloves", "amount": 10, "article": 7})
            assert await asked(stream, 2) == [shoes, socks, hats]
            await decide(api, task, hats, "approve", value={"item": "hats", "amount": 5})
            assert await asked(stream, 3) == [shoes, socks]
            assert await refunded(effects, task) == ["hats for 5"]
            await decide(api, task, socks, "deny", note="they were worn")
            assert await asked(stream, 4) == [shoes]
            both = await asyncio.gather(*(decide(api, task, shoes, verdict) for verdict in ("approve", "deny")))
            assert sorted(answer.status for answer in both) == [200, 409]
            refused = next(answer for answer in both if answer.status == 409)
            assert refused.body["code"] in ("decided_before", "not_pending")
            await stream.check()
            outcomes = {result["tool"] + result["call_id"][-2:]: result["outcome"] for result in await results(stream)}
        allowed = both[0].status == 200
        assert outcomes == {
            "refund#1": "done" if allowed else "denied",
            "refund#2": "denied",
            "refund#3": "done",
            "refund#4": "failed",
        }
        told = await told_to(api, task)
        assert ("refund of shoes for 10 is done" in told[0]) is allowed
        assert "they were worn" in told[1]
        assert told[2] == "refund of hats for 5 is done"
        assert "article" in told[3] or "item" in told[3]
        assert await refunded(effects, task) == ["hats for 5", *(["shoes for 10"] if allowed else [])]
        late = await decide(api, task, shoes, "deny")
        assert (late.status, late.body["code"]) == (409, "not_pending" if not allowed else "decided_before"), late


async def test_an_operator_decides_for_somebody_else_and_that_is_kept(
    bare_deployment: Deployment, effects: EffectDatabase
) -> None:
    deployment, api = bare_deployment, bare_deployment.api
    await deployment.start_worker(lease_seconds=LEASE)
    task = (await api.submit("pydantic_ai", refunds("the shoes")))["id"]
    async with api.follow(task) as stream:
        (call,) = await asked(stream)
    for statement in _GIVE_TO_ANNA:
        await deployment.fetch(statement, task)
    listed = (await api.get("/v1/operator/decisions")).body["tasks"]
    assert [(each["id"], each["user"]) for each in listed] == [(task, "anna")]
    assert (await decide(api, task, call, "deny", note="ask me first")).status == 200
    (action,) = (await api.get("/v1/operator/actions")).body["actions"]
    assert (action["action"], action["note"]) == ("decide", "ask me first")
    while (status := (await deployment.fetch(_STATUS, task))[0][0]) in ("queued", "running"):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    assert (status, await refunded(effects, task)) == ("succeeded", [])
