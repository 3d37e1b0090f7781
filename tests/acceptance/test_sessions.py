"""One conversation, one task at a time: what becomes of a second message."""

from __future__ import annotations

import asyncio

import pytest

from .deployment import Deployment
from .http_api import Answer

AGENTS = pytest.mark.parametrize("agent", ["openai", "anthropic", "function"])


def script() -> dict[str, list[dict[str, object]]]:
    return {"rules": [{"contains": f"question {n}", "replies": [f"answer {n}"]} for n in range(6)]}


@AGENTS
async def test_queued_messages_keep_their_order(deployment: Deployment, agent: str) -> None:
    provider, api = deployment.provider, deployment.api
    provider.control(script=script(), hold={"contains": "question 0"})
    await deployment.start_workers(2)
    first = await api.submit(agent, "question 0")
    await provider.wait_for(held_at_least=1)
    session = first["session_id"]
    behind = [await api.submit(agent, f"question {n}", session_id=session) for n in range(1, 4)]
    assert [task["status"] for task in behind] == ["blocked"] * 3
    provider.control(hold=False)
    for number, task in enumerate([first, *behind]):
        assert (await api.ended(task["id"]))["output"] == f"answer {number}"
    said = [[("user", f"question {n}"), ("assistant", f"answer {n}")] for n in range(4)]
    assert await api.messages(session) == [message for turn in said for message in turn]
    # Each question came with everything that was said before it, and nothing was said between.
    assert [(request.message, request.depth) for request in provider.requests] == [
        (f"question {n}", n) for n in range(4)
    ]


@AGENTS
async def test_a_message_may_rather_be_refused(served: Deployment, agent: str) -> None:
    provider, api = served.provider, served.api
    provider.control(script=script(), hold=True)
    first = await api.submit(agent, "question 0")
    await provider.wait_for(held_at_least=1)
    body = {"agent": agent, "input": "question 1", "session_id": first["session_id"], "on_busy": "reject"}
    refused = await api.post("/v1/tasks", body)
    assert (refused.status, refused.body["code"]) == (409, "session_busy")
    assert first["id"] in refused.body["detail"]
    provider.control(hold=False)
    await api.ended(first["id"])
    accepted = await api.post("/v1/tasks", body)
    assert accepted.status == 202
    assert (await api.ended(accepted.body["id"]))["output"] == "answer 1"
    assert len((await api.get(f"/v1/tasks?session_id={first['session_id']}")).body["tasks"]) == 2


@AGENTS
async def test_a_message_may_interrupt(served: Deployment, agent: str) -> None:
    provider, api = served.provider, served.api
    provider.control(script=script(), hold={"contains": "question 0", "after_tokens": 1})
    first = await api.submit(agent, "question 0")
    session = first["session_id"]
    async with api.follow(first["id"]) as stream:
        await stream.until_text("answer ")
        second = await api.submit(agent, "question 1", session_id=session)
        third = await api.submit(agent, "question 2", session_id=session, on_busy="interrupt")
        done = await stream.check("cancelled")
    assert done["output"] == "answer "
    assert (await api.ended(third["id"]))["output"] == "answer 2"
    assert (await api.ended(second["id"]))["output"] == "answer 1"
    # The interrupting message went first, and what had been said until then stood in its history.
    assert [request.message for request in provider.requests] == ["question 0", "question 2", "question 1"]
    assert [request.depth for request in provider.requests] == [0, 1, 2]
    # People are shown the conversation in the order in which they wrote.
    said = [content for role, content in await api.messages(session) if role == "user"]
    assert said == ["question 0", "question 1", "question 2"]


async def test_of_many_at_once_one_runs_at_a_time(deployment: Deployment) -> None:
    """Submitted through one server by twenty clients, run by three workers."""
    provider, api = deployment.provider, deployment.api
    await deployment.start_workers(3)
    first = await api.submit("function", "Begin.")
    receipts = await asyncio.gather(
        *(api.submit("function", f"And {n}.", session_id=first["session_id"]) for n in range(20))
    )
    for receipt in receipts:
        assert (await api.ended(receipt["id"]))["status"] == "succeeded"
    assert provider.stats["max_inflight"] == 1
    assert [request.depth for request in provider.requests] == list(range(21))
    assert len(await api.messages(first["session_id"])) == 42


async def test_of_many_that_would_rather_be_refused_one_is_taken(served: Deployment) -> None:
    provider, api = served.provider, served.api
    first = await api.submit("function", "Begin.")
    await api.ended(first["id"])
    provider.control(hold=True)
    body = {"agent": "function", "input": "Me.", "session_id": first["session_id"], "on_busy": "reject"}
    answers: list[Answer] = await asyncio.gather(*(api.post("/v1/tasks", body) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [202] + [409] * 19


async def test_a_session_is_deleted_only_while_it_is_free(served: Deployment) -> None:
    provider, api = served.provider, served.api
    provider.control(hold=True)
    task = await api.submit("openai", "Hello.")
    await provider.wait_for(held_at_least=1)
    path = f"/v1/sessions/{task['session_id']}"
    busy = await api.request("DELETE", path)
    assert (busy.status, busy.body["code"]) == (409, "session_busy")
    provider.control(hold=False)
    await api.ended(task["id"])
    assert (await api.request("DELETE", path)).status == 204
    for gone in (path, f"{path}/messages", f"/v1/tasks/{task['id']}", f"/v1/tasks/{task['id']}/events"):
        assert (await api.get(gone)).status == 404
