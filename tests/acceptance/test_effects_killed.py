"""A worker is killed, or stands still until another one has its task, at every boundary of a call that must happen only
once: it happens once or not at all, and whether it did is looked up or asked, never guessed."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .deployment import Deployment
from .effect_database import EffectDatabase
from .effect_deployment import LEASE
from .gates import Gate
from .http_api import TaskStream
from .people import FOUND, MISSING, decide, look_and_decide, told_to, waiting_for
from .processes import Process


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where a worker is when it is killed, and what becomes of the statement that it waits for."""

    name: str
    gate: str
    """Of the journal (`s1:%`, `t1:%`) or of the effects (`effect`, `after`)."""
    commits: bool
    """Whether the statement at the gate is carried out, though nobody hears of it any more."""
    is_asked: bool
    """Whether nobody can know afterwards, without looking, if it happened."""
    happened: bool

    async def release(self, gate: Gate) -> None:
        await (gate.open() if self.commits else gate.end_who_waits())


TOOL_SECONDS = 1.0
BOUNDARIES = (
    Boundary("before its start is durable", "s1:%", commits=False, is_asked=False, happened=False),
    Boundary("after its start is durable", "s1:%", commits=True, is_asked=True, happened=False),
    Boundary("inside, and its effect is lost", "effect", commits=False, is_asked=True, happened=False),
    Boundary("inside, and its effect happens", "effect", commits=True, is_asked=True, happened=True),
    Boundary("after its effect", "after", commits=True, is_asked=True, happened=True),
    Boundary("before its result is durable", "t1:%", commits=False, is_asked=True, happened=True),
    Boundary("after its result is durable", "t1:%", commits=True, is_asked=False, happened=True),
)


@dataclass(slots=True)
class Trial:
    """One call, and the worker that meets its end at a boundary of it."""

    boundary: Boundary
    agent: str
    tool: str
    task_id: str
    stream: TaskStream
    gate: Gate
    decided: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.tool} of {self.agent}, {self.boundary.name}"

    async def see_to_its_end(self, deployment: Deployment, effects: EffectDatabase) -> None:
        """Answer for the person who is asked."""
        if self.boundary.is_asked and self.tool == "pay":
            await self.stream.until_seen("status", status="waiting")
            await self._check_question(deployment)
            self.decided = (*await look_and_decide(deployment.api, effects, self.task_id),)
        await self.stream.check()

    async def _check_question(self, deployment: Deployment) -> None:
        (pending,) = await waiting_for(deployment.api, self.task_id)
        assert (pending["about"], pending["tool"], pending["attempt"]) == ("effect", "pay", 1), self.name
        assert pending["arguments"] == {"item": "the bill"}
        since, opens_at = (datetime.fromisoformat(pending[name]).timestamp() for name in ("since", "opens_at"))
        assert round(opens_at - since, 2) == TOOL_SECONDS + float(LEASE)

    async def check(self, deployment: Deployment, effects: EffectDatabase) -> None:
        made = await effects.effects(self.task_id)
        happens = self.boundary.happened or not self.boundary.is_asked
        assert len(made) == (1 if happens else 0), (self.name, made)
        (told,) = await told_to(deployment.api, self.task_id)
        if not self.boundary.is_asked:
            assert told == f"{self.tool} of the bill is done", self.name
        elif self.tool == "charge":
            assert ("charge of the bill is found" if happens else "no such charge is known") in told, (self.name, told)
        else:
            assert self.decided == ("done" if happens else "not_done",), self.name
            assert (FOUND if happens else MISSING) in told, (self.name, told)


def script(*steps: tuple[str, dict[str, Any]]) -> str:
    """One call in each step."""
    return json.dumps([[step] for step in steps])


def close_gate(deployment: Deployment, effects: EffectDatabase, point: str, task_id: str) -> Any:
    """In front of entries of the journal like `point`, or at that point of a tool."""
    return deployment.gate(entry=point, task_id=task_id) if ":" in point else effects.gate(point, task_id)


async def bring_to_boundaries(deployment: Deployment, effects: EffectDatabase, stack: AsyncExitStack) -> list[Trial]:
    """Calls of every kind, each with a worker that stands at a boundary of it."""
    trials: list[Trial] = []
    for boundary in BOUNDARIES:
        for agent, tool in (("pydantic_ai", "charge"), ("function", "pay")):
            task = await deployment.api.submit(agent, script((tool, {"item": "the bill"})))
            gate = await stack.enter_async_context(close_gate(deployment, effects, boundary.gate, task["id"]))
            stream = await stack.enter_async_context(deployment.api.follow(task["id"]))
            trials.append(Trial(boundary, agent, tool, task["id"], stream, gate))
    await deployment.start_workers(len(trials), lease_seconds=LEASE, worker_concurrency="1")
    return trials


async def test_workers_are_killed_at_every_boundary(bare_deployment: Deployment, effects: EffectDatabase) -> None:
    deployment = bare_deployment
    deployment.settings["ACCEPTANCE_TOOL_SECONDS"] = str(TOOL_SECONDS)
    async with AsyncExitStack() as stack:
        trials = await bring_to_boundaries(deployment, effects, stack)

        async def kill_at_boundary(trial: Trial) -> None:
            await trial.gate.until_reached()
            await (await deployment.worker_of(trial.task_id)).kill()
            await trial.boundary.release(trial.gate)

        await asyncio.gather(*map(kill_at_boundary, trials))
        await deployment.start_workers(2, lease_seconds=LEASE)
        await asyncio.gather(*(trial.see_to_its_end(deployment, effects) for trial in trials))
    for trial in trials:
        await trial.check(deployment, effects)


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a worker stands still until another one has its task."""

    gate: str
    """Where it stands. The statement there is carried out meanwhile, and the worker hears of it when it wakes."""
    agent: str
    tool: str
    happens: bool
    is_asked: bool = True


STOPS = (
    Stop("s1:%", "pydantic_ai", "charge", happens=False),  # about to make a call that is marked as started
    Stop("s1:%", "function", "pay", happens=False),
    Stop("effect", "function", "charge", happens=True),
    Stop("after", "pydantic_ai", "pay", happens=True),
    Stop("t1:%", "function", "pay", happens=True, is_asked=False),
)


async def test_workers_stand_still_until_others_have_their_tasks(
    bare_deployment: Deployment, effects: EffectDatabase
) -> None:
    deployment, api = bare_deployment, bare_deployment.api
    # Long enough that they wake up before anybody may say what became of their calls.
    deployment.settings["ACCEPTANCE_TOOL_SECONDS"] = "4"

    async def stand_still(stop: Stop, gate: Gate, task_id: str) -> Process:
        await gate.until_reached()
        worker = await deployment.worker_of(task_id)
        worker.send(signal.SIGSTOP)
        await gate.open()
        return worker

    async def wake_and_end(worker: Process, stop: Stop, stream: TaskStream) -> None:
        await stream.until_seen("status", 2, status="running")
        worker.send(signal.SIGCONT)
        await worker.until_logged("lease_lost")
        if stop.is_asked and stop.tool == "pay":
            await stream.until_seen("status", status="waiting")
            assert await look_and_decide(api, effects, stream.task_id) == ["done" if stop.happens else "not_done"]
        await stream.check()
        made = await effects.effects(stream.task_id)
        assert [effect.pid for effect in made] == ([worker.pid] if stop.happens else []), stop

    async with AsyncExitStack() as stack:
        standing: list[tuple[Stop, Gate, TaskStream]] = []
        for stop in STOPS:
            task = await api.submit(stop.agent, script((stop.tool, {"item": "the bill"})))
            gate = await stack.enter_async_context(close_gate(deployment, effects, stop.gate, task["id"]))
            stream = await stack.enter_async_context(api.follow(task["id"]))
            standing.append((stop, gate, stream))
        await deployment.start_workers(len(STOPS), lease_seconds=LEASE, worker_concurrency="1")
        stopped = await asyncio.gather(*(stand_still(stop, gate, stream.task_id) for stop, gate, stream in standing))
        await deployment.start_workers(2, lease_seconds=LEASE)
        await asyncio.gather(
            *(wake_and_end(worker, stop, stream) for worker, (stop, _, stream) in zip(stopped, standing, strict=True))
        )


async def test_a_model_that_asks_again_meets_the_first_effect(
    bare_deployment: Deployment, effects: EffectDatabase
) -> None:
    """The tool's limit was over, or it raised, after its effect; or it failed before it."""
    deployment, api = bare_deployment, bare_deployment.api
    await deployment.start_worker(lease_seconds=LEASE)

    async def ask_twice(agent: str, tool: str, item: str) -> None:
        task_id = (await api.submit(agent, script((tool, {"item": item}), (tool, {"item": item}))))["id"]
        async with api.follow(task_id) as stream:
            if tool == "pay":
                await stream.until_seen("status", status="waiting")
                (pending,) = await waiting_for(api, task_id)
                early = await decide(api, task_id, pending["call_id"], "not_done")
                assert (early.status, early.body.get("code")) == (409, "decision_too_soon"), early
                assert float(early.headers["retry-after"]) > 0
                assert await look_and_decide(api, effects, task_id) == ["not_done" if "lost" in item else "done"]
            await stream.check()
        (effect,) = await effects.effects(task_id)
        rows = await deployment.fetch(_KEYS_OF_STARTS, task_id)
        assert {row[0] for row in rows} == {effect.key}
        first, second = await told_to(api, task_id)
        if "lost" in item:
            # The second one did what the first one did not.
            assert "not" in first
            assert second == f"{tool} of {item} is done"
        else:
            assert len(rows) == 1
            assert second == first

    await asyncio.gather(
        ask_twice("pydantic_ai", "charge", "a hanging bill"),
        ask_twice("pydantic_ai", "pay", "a hanging bill"),
        ask_twice("pydantic_ai", "pay", "a raising bill"),
        ask_twice("pydantic_ai", "charge", "a lost bill"),
        ask_twice("function", "pay", "a lost bill"),
    )


_KEYS_OF_STARTS = "select convert_from(detail, 'utf8')::json ->> 'key' from journal_entries \
where task_id = $1::text::uuid and kind = 'started'"
