"""The label loop as a whole: answers are graded, a router is trained from that, and requests go elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from .deployment import Deployment
from .http_api import Api

TARGET = f"{Path(__file__).with_name('routed_services.py')}:service"
EASY = [f"Where is parcel {n} now?" for n in range(30)]
HARD = [f"Is contract {n} void?" for n in range(30)]


async def answered(api: Api, message: str, **fields: Any) -> dict[str, Any]:
    task = await api.ended((await api.submit("shop", message, **fields))["id"])
    assert task["status"] == "succeeded", task
    return task


async def graded(api: Api, message: str, grade: str) -> None:
    task = await answered(api, message)
    # Both are short, and the rules know nothing of contracts.
    assert (task["output"], task["tier"]) == ("sim-small", "simple")
    answer = await api.post(f"/v1/tasks/{task['id']}/feedback", {"grade": grade})
    assert answer.status == 200, answer


async def test_answers_are_graded_a_router_learns_from_it_and_requests_go_elsewhere(
    bare_deployment: Deployment,
) -> None:
    deployment = bare_deployment
    deployment.targets = [TARGET]
    first, api = await deployment.start_api(command="serve")
    held = await answered(api, HARD[0])
    await asyncio.gather(*(graded(api, message, "good") for message in EASY))
    await asyncio.gather(*(graded(api, message, "bad") for message in HARD))

    training = await deployment.start("route", "train", "--from", "tasks", "--url", api.url)
    assert await training.ended() == 0, training.present_state()
    assert training.output[0] == "60 sessions with grades; 60 say how hard they were."
    await first.terminate()

    _, api = await deployment.start_api(command="serve")
    hard, easy = await asyncio.gather(answered(api, "Is contract 99 void?"), answered(api, "Where is parcel 99 now?"))
    assert (hard["output"], hard["tier"]) == ("sim-middle", "moderate")
    assert (easy["output"], easy["tier"]) == ("sim-small", "simple")
    (step,) = await api.steps(hard["id"])
    assert (step["tier"], step["routed_by"]) == ("moderate", "trained")

    # A session that began before goes on where it was, unless a task says otherwise.
    again = await answered(api, HARD[1], session_id=held["session_id"])
    wished = await answered(api, HARD[1], session_id=held["session_id"], metadata={"tier": "complex"})
    assert [task["output"] for task in (again, wished)] == ["sim-small", "sim-large"]
    assert [(await api.steps(task["id"]))[0]["routed_by"] for task in (again, wished)] == ["session", "metadata"]
