import asyncio
from uuid import UUID

import pytest
from api_in_memory import Api

from roadworthy.domain.ids import new_id
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.service import AgentService
from roadworthy.domain.task import TaskStatus


async def test_a_task_is_taken_in(api: Api):
    answer = await api.call("POST", "/v1/tasks", {"input": "hello"})
    assert answer.status == 202
    body = answer.json()
    assert answer.headers["location"] == f"/v1/tasks/{body['id']}"
    assert answer.headers["content-type"] == "application/json"
    assert body == {
        "id": body["id"],
        "session_id": body["session_id"],
        "agent": "support",
        "version": "1",
        "status": "queued",
        "links": {
            "self": f"/v1/tasks/{body['id']}",
            "events": f"/v1/tasks/{body['id']}/events",
            "steps": f"/v1/tasks/{body['id']}/steps",
            "cancel": f"/v1/tasks/{body['id']}/cancel",
            "decisions": f"/v1/tasks/{body['id']}/decisions",
            "session": f"/v1/sessions/{body['session_id']}",
        },
    }
    assert UUID(body["id"]).version == 7


async def test_a_task_as_it_is_shown(api: Api):
    life = await api.life()
    path = f"/v1/tasks/{life.task.id}"
    queued = (await api.call("GET", path)).json()
    assert queued["output"] is queued["error"] is queued["reason"] is queued["timings"]["started_at"] is None
    await life.claim()
    await life.reply("find_order")
    await api.world.clock.advance(2.5)
    running = (await api.call("GET", path)).json()
    assert (running["status"], running["attempt"], running["timings"]["running_seconds"]) == ("running", 1, 2.5)
    await life.settle(TaskStatus.PARTIAL, "it used up its time", {"answer": 7})
    shown = (await api.call("GET", path)).json()
    assert shown == {
        "id": str(life.task.id),
        "session_id": str(life.task.session_id),
        "agent": "support",
        "version": "1",
        "tier": None,
        "status": "partial",
        "reason": "it used up its time",
        "output": {"answer": 7},
        "error": {"code": "x", "message": "y"},
        "usage": {
            "cost_usd": "0.0012",
            "input_tokens": 3,
            "output_tokens": 5,
            "cache_read_tokens": 0,
            "cache_write_tokens": 0,
            "saved_usd": "0",
            "model_calls": 1,
            "cached_calls": 0,
            "tool_calls": 0,
            "steps": 1,
        },
        "attempt": 1,
        "generation": 0,
        "timings": {
            "created_at": "2027-01-15T08:00:00.000Z",
            "started_at": "2027-01-15T08:00:00.000Z",
            "ended_at": "2027-01-15T08:00:02.500Z",
            "queued_seconds": 0.0,
            "running_seconds": 0.0,
        },
        "metadata": {},
        "links": queued["links"],
        "waiting_for": [],
        "expires_at": None,
    }


async def test_everything_that_can_be_asked_for(api: Api):
    first = await api.submitted(metadata={"order": 7}, limits={"steps": 2}, agent="support")
    second = await api.submitted(session_id=first["session_id"], on_busy="queue")
    assert (second["status"], second["session_id"]) == ("blocked", first["session_id"])
    shown = (await api.call("GET", f"/v1/tasks/{first['id']}")).json()
    assert shown["metadata"] == {"order": 7}
    busy = await api.call("POST", "/v1/tasks", {"input": "x", "session_id": first["session_id"], "on_busy": "reject"})
    assert (busy.status, busy.json()["code"]) == (409, "session_busy")


async def test_the_idempotency_key(api: Api):
    key = {"Idempotency-Key": "a key"}
    first = await api.call("POST", "/v1/tasks", {"input": "a"}, key)
    again = await api.call("POST", "/v1/tasks", {"input": "a"}, key)
    other = await api.call("POST", "/v1/tasks", {"input": "b"}, key)
    assert (first.status, again.status, other.status) == (202, 202, 409)
    assert first.json()["id"] == again.json()["id"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert other.json()["code"] == "idempotency_key_reused"


async def test_prefer_wait_answers_with_the_result(api: Api):
    call = api.begin("POST", "/v1/tasks", {"input": "a"}, {"Prefer": "respond-async, wait=30"})
    await api.world.settle()
    await api.told()
    (task_id,) = api.world.database.tasks
    life = await _life_of(api, task_id)
    await life.claim()
    await life.settle(TaskStatus.SUCCEEDED, output="fine")
    answer = await call.answer()
    assert (answer.status, answer.json()["status"], answer.json()["output"]) == (200, "succeeded", "fine")
    assert answer.headers["preference-applied"] == "wait=30"
    assert answer.headers["location"] == f"/v1/tasks/{task_id}"


async def test_prefer_wait_that_is_not_enough(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("roadworthy.edges.http.query.MOST_WAIT_SECONDS", 0.01)
    answer = await api.call("POST", "/v1/tasks", {"input": "a"}, {"Prefer": "wait=30"})
    assert (answer.status, answer.json()["status"]) == (202, "queued")


async def test_after_the_wait_the_answer_says_how_it_is_then(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("roadworthy.edges.http.query.MOST_WAIT_SECONDS", 1.0)
    call = api.begin("POST", "/v1/tasks", {"input": "a"}, {"Prefer": "wait=30"})
    await api.world.settle()
    await api.told()
    life = await _life_of(api, next(iter(api.world.database.tasks)))
    await life.claim()
    await life.settle(TaskStatus.WAITING)
    answer = await call.answer()
    assert (answer.status, answer.json()["status"]) == (202, "waiting")


async def test_a_client_that_waits_and_goes_away_leaves_nothing_behind(api: Api):
    call = api.begin("POST", "/v1/tasks", {"input": "a"}, {"Prefer": "wait=30"})
    await api.world.settle()
    assert api.world.followers.open_readers == 1
    await call.hang_up()
    assert api.world.followers.open_readers == 0
    assert call.sent == []


async def test_an_accepted_task_is_never_answered_with_an_outage(api: Api):
    call = api.begin("POST", "/v1/tasks", {"input": "a"}, {"Prefer": "wait=30"})
    await api.world.settle()
    api.world.outages.store_away = True
    api.world.followers.dismiss()
    assert (await call.answer()).status == 202


async def test_the_store_goes_away_between_the_end_and_the_answer(api: Api):
    call = api.begin("POST", "/v1/tasks", {"input": "a"}, {"Prefer": "wait=30"})
    await api.world.settle()
    life = await _life_of(api, next(iter(api.world.database.tasks)))
    await life.claim()
    publish = life.publish

    async def publish_alone(record):
        api.world.outages.store_away = True
        await publish(record)

    life.publish = publish_alone
    await life.settle(TaskStatus.SUCCEEDED)
    assert (await call.answer()).status == 202


async def test_lists_and_their_pages(api: Api):
    made = [await api.submitted(metadata={"n": n}) for n in range(3)]
    made.sort(key=lambda task: task["id"])
    first = (await api.call("GET", "/v1/tasks?limit=2&status=queued&agent=support")).json()
    assert [task["id"] for task in first["tasks"]] == [made[2]["id"], made[1]["id"]]
    second = (await api.call("GET", f"/v1/tasks?limit=2&cursor={first['next_cursor']}")).json()
    assert [task["id"] for task in second["tasks"]] == [made[0]["id"]]
    assert second["next_cursor"] is None
    of_session = (await api.call("GET", f"/v1/tasks?session_id={made[1]['session_id']}")).json()
    assert [task["id"] for task in of_session["tasks"]] == [made[1]["id"]]
    assert (await api.call("GET", "/v1/tasks?status=dead")).json() == {"tasks": [], "next_cursor": None}


async def test_cancel(api: Api):
    task = await api.submitted()
    answer = await api.call("POST", f"/v1/tasks/{task['id']}/cancel")
    assert (answer.status, answer.json()["status"]) == (202, "cancelled")
    again = await api.call("POST", f"/v1/tasks/{task['id']}/cancel")
    assert (again.status, again.json()["status"]) == (202, "cancelled")


async def test_steps(api: Api):
    life = await api.life()
    await life.claim()
    await life.reply("find_order")
    await life.result("find_order")
    body = (await api.call("GET", f"/v1/tasks/{life.task.id}/steps")).json()
    assert body["task_id"] == str(life.task.id)
    assert body["steps"][0]["tool_calls"][0]["outcome"] == "done"


async def test_sessions(api: Api):
    life = await api.life()
    path = f"/v1/sessions/{life.task.session_id}"
    assert (await api.call("DELETE", path)).status == 409
    await life.claim()
    await life.settle(TaskStatus.SUCCEEDED, output="fine")
    session = (await api.call("GET", path)).json()
    assert (session["id"], session["turns"]) == (str(life.task.session_id), 0)
    assert (await api.call("GET", "/v1/sessions")).json() == {"sessions": [session], "next_cursor": None}
    messages = (await api.call("GET", f"{path}/messages")).json()["messages"]
    assert [(message["role"], message["content"]) for message in messages] == [("user", "hello"), ("assistant", "fine")]
    deleted = await api.call("DELETE", path)
    assert (deleted.status, deleted.body) == (204, b"")
    assert (await api.call("GET", path)).status == 404


async def test_several_agents():
    api = Api(AgentService(None, name="a"), AgentService(None, name="b"))
    answer = await api.call("POST", "/v1/tasks", {"input": "x"})
    assert (answer.status, answer.json()["code"]) == (422, "unknown_agent")
    assert "choose one of: a, b" in answer.json()["detail"]
    assert (await api.submitted(agent="b"))["agent"] == "b"
    await api.close()


async def test_what_is_not_there(api: Api):
    for path in (f"/v1/tasks/{new_id()}", "/v1/tasks/mine", f"/v1/sessions/{new_id()}"):
        assert (await api.call("GET", path)).status == 404
    for part in ("events", "steps"):
        assert (await api.call("GET", f"/v1/tasks/{new_id()}/{part}")).status == 404
    assert (await api.call("POST", f"/v1/tasks/{new_id()}/cancel")).status == 404
    assert (await api.call("GET", f"/v1/sessions/{new_id()}/messages")).status == 404


async def _life_of(api: Api, task_id: UUID):
    from task_life import Life

    from roadworthy.domain.principal import DEVELOPER

    return Life(api.world, await api.world.task_store.find(DEVELOPER, task_id))


async def test_hundred_at_once(api: Api):
    answers = await asyncio.gather(*(api.call("POST", "/v1/tasks", {"input": str(n)}) for n in range(100)))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 100
    assert api.world.outages.calls.count("task_store.submit") == 1


async def test_all_of_a_result_that_was_cut(api: Api):
    life = await api.life()
    await life.claim()
    await life.reply("look_up", "find_order")
    await life.result("look_up")
    path = f"/v1/tasks/{life.task.id}/results"
    assert (await api.call("GET", f"{path}/t1:c10")).json() == 7
    detail = {"step": 1, "call_id": "c11", "tool": "find_order"}
    await life.append("r1:c11", EntryKind.WHOLE, detail, b'{"long": [1, 2, 3]}')
    await life.append("t1:c11", EntryKind.TOOL, detail | {"outcome": "done", "result": "[1, 2 (cut)", "cut": 19})
    whole = await api.call("GET", f"{path}/t1:c11")
    assert whole.json() == {"long": [1, 2, 3]}
    assert whole.headers["content-type"] == "application/json"
    for nothing in (f"{path}/t2:c11", f"{path}/1/t1:c11", f"/v1/tasks/{new_id()}/results/t1:c11"):
        assert (await api.call("GET", nothing)).status == 404
