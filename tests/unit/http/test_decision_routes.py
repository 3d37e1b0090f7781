"""`/v1/tasks/{id}/decisions` and `/v1/operator/decisions`: who may decide what, and what they are told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from api_in_memory import LEASE_SECONDS, Answer, Api
from starlette.requests import HTTPConnection
from task_life import Life

from roadworthy.domain.ids import new_id
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.principal import DEVELOPER, Principal
from roadworthy.domain.task import TaskStatus

PEOPLE = {
    "owner": Principal(DEVELOPER.tenant, DEVELOPER.user, frozenset({"tasks"})),
    "stranger": Principal("rival", "eve", frozenset({"tasks"})),
    "operator": Principal("acme", "olga", frozenset({"tasks", "operator"})),
}
CALL = "t1:c10"
TOOL = {"step": 1, "call_id": "c10", "tool": "refund", "effect": "once", "arguments": {"cents": 900}}


@pytest.fixture
async def api():
    async def authenticate(connection: HTTPConnection) -> Principal:
        return PEOPLE[connection.headers.get("who", "owner")]

    api = Api(authenticate=authenticate)
    yield api
    await api.told()
    await api.close()
    assert not asyncio.all_tasks() - {asyncio.current_task()}


async def asked(api: Api, *numbers: int) -> Life:
    """A task that waits until somebody allows its calls."""
    life = await running(api)
    for number in numbers or (0,):
        detail = TOOL | {"call_id": f"c1{number}", "about": "approval", "words": "more than $5"}
        await life.append(f"w1:c1{number}", EntryKind.ASKED, detail)
    await life.settle(TaskStatus.WAITING, "refund needs an approval")
    return life


async def unknown(api: Api) -> Life:
    """A task that waits until somebody says what became of its call."""
    life = await running(api)
    await life.append("s1:c10", EntryKind.STARTED, TOOL | {"seconds": 10, "key": "rw-1"})
    await life.append("w1:c10", EntryKind.ASKED, TOOL | {"about": "effect", "error": "the connection broke"})
    await life.settle(TaskStatus.WAITING, "nobody knows whether refund happened")
    return life


async def running(api: Api) -> Life:
    life = await api.life()
    await life.claim()
    await life.reply("refund")
    return life


def path(life: Life, rest: str = "") -> str:
    return f"/v1/tasks/{life.task.id}{rest}"


async def decide(api: Api, life: Life, decision: str = "approve", *, who: str = "owner", **more: Any) -> Answer:
    body = {"call_id": CALL, "decision": decision} | more
    return await api.call("POST", path(life, "/decisions"), body, {"who": who})


async def test_a_task_says_what_it_waits_for(api: Api):
    life = await asked(api)
    shown = (await api.call("GET", path(life))).json()
    (call,) = shown["waiting_for"]
    since = call.pop("since")
    assert call == {
        "call_id": CALL,
        "about": "approval",
        "tool": "refund",
        "arguments": {"cents": 900},
        "attempt": 1,
        "words": "more than $5",
        "error": None,
        "idempotency_key": None,
        "opens_at": None,
        "decisions": ["approve", "deny"],
    }
    assert since.endswith("Z")
    assert shown["expires_at"] > since
    assert shown["links"]["decisions"] == path(life, "/decisions")


async def test_one_that_does_not_wait_says_so(api: Api):
    life = await running(api)
    shown = (await api.call("GET", path(life))).json()
    assert (shown["waiting_for"], shown["expires_at"]) == ([], None)


async def test_its_owner_decides_and_the_task_goes_on(api: Api):
    life = await asked(api)
    answer = await decide(api, life, value={"cents": 500}, note="half of it")
    assert answer.status == 200
    told = answer.json()
    assert told.pop("at")
    assert told.pop("links")["self"] == path(life)
    assert told == {
        "task_id": str(life.task.id),
        "call_id": CALL,
        "decision": "approve",
        "value": {"cents": 500},
        "note": "half of it",
        "by": {"tenant": "dev", "user": "dev"},
        "status": "queued",
    }
    shown = (await api.call("GET", path(life))).json()
    assert (shown["status"], shown["waiting_for"]) == ("queued", [])
    assert "approved by dev" in shown["reason"]


async def test_the_same_decision_again_is_the_same(api: Api):
    life = await asked(api)
    assert (await decide(api, life)).status == 200
    assert (await decide(api, life)).status == 200
    other = await decide(api, life, "deny", who="operator")
    assert (other.status, other.json()["code"]) == (409, "decided_before")
    assert "dev has decided approve" in other.json()["detail"]


async def test_an_operator_decides_for_anybody_and_that_is_recorded(api: Api):
    life = await asked(api)
    told = (await decide(api, life, "deny", who="operator", note="too much")).json()
    assert told["by"] == {"tenant": "acme", "user": "olga"}
    actions = await api.call("GET", f"/v1/operator/actions?task_id={life.task.id}", headers={"who": "operator"})
    (action,) = actions.json()["actions"]
    assert (action["action"], action["operator"], action["note"]) == ("decide", "olga", "too much")


async def test_to_a_stranger_the_task_is_not_there(api: Api):
    life = await asked(api)
    foreign = await decide(api, life, who="stranger")
    nowhere = await api.call("POST", f"/v1/tasks/{new_id()}/decisions", {"call_id": CALL, "decision": "deny"})
    assert foreign.status == nowhere.status == 404
    assert foreign.json()["detail"] == nowhere.json()["detail"]
    assert (await api.call("GET", path(life), headers={"who": "owner"})).json()["status"] == "waiting"


async def test_operators_see_everybodys_and_nobody_else_does(api: Api):
    first, second = await asked(api, 0, 1), await unknown(api)
    as_operator = {"who": "operator"}
    page = (await api.call("GET", "/v1/operator/decisions?limit=1", headers=as_operator)).json()
    rest = (await api.call("GET", f"/v1/operator/decisions?cursor={page['next_cursor']}", headers=as_operator)).json()
    (one,), (other,) = page["tasks"], rest["tasks"]
    assert [one["id"], other["id"]] == [str(first.task.id), str(second.task.id)]
    assert [call["call_id"] for call in one["waiting_for"]] == [CALL, "t1:c11"]
    assert (one["tenant"], one["user"], one["agent"], one["status"]) == ("dev", "dev", "support", "waiting")
    found = (await api.call("GET", f"/v1/operator/decisions/{second.task.id}", headers=as_operator)).json()
    assert found["input"] == second.task.input
    assert found == other
    assert found["waiting_for"][0]["error"] == "the connection broke"
    for place in ("", f"/{second.task.id}"):
        refused = await api.call("GET", f"/v1/operator/decisions{place}")
        assert (refused.status, refused.json()["code"]) == (403, "not_allowed")


async def test_a_task_that_waits_for_other_code_waits_for_nobodys_decision(api: Api):
    life = await running(api)
    await life.settle(TaskStatus.WAITING, "the code does something else")
    assert (await api.call("GET", "/v1/operator/decisions", headers={"who": "operator"})).json()["tasks"] == []


async def test_an_effect_is_decided_once_nobody_can_act_any_more(api: Api):
    life = await unknown(api)
    (call,) = (await api.call("GET", path(life))).json()["waiting_for"]
    assert call["idempotency_key"] == "rw-1"
    (step,) = (await api.call("GET", path(life, "/steps"))).json()["steps"]
    assert [each["idempotency_key"] for each in step["tool_calls"]] == ["rw-1"]
    soon = await decide(api, life, "done", value="paid")
    assert (soon.status, soon.json()["code"]) == (409, "decision_too_soon")
    seconds = soon.json()["retry_after_seconds"]
    assert 0 < seconds <= 10 + LEASE_SECONDS
    assert int(soon.headers["retry-after"]) >= seconds
    await api.world.clock.advance(seconds)
    assert (await decide(api, life, "done", value="paid")).status == 200


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({"call_id": CALL, "decision": "done"}, 422, "invalid_request", "answer approve or deny"),
        ({"call_id": CALL, "decision": "yes"}, 422, "invalid_request", "approve, deny, done, not_done"),
        ({"call_id": CALL, "decision": "deny", "value": 1}, 422, "invalid_request", "value goes with"),
        ({"call_id": CALL, "decision": "approve", "value": 1}, 422, "invalid_request", "object with all arguments"),
        ({"call_id": CALL, "decision": "deny", "vlaue": 1}, 422, "invalid_request", "vlaue"),
        ({"decision": "deny"}, 422, "invalid_request", "call_id"),
        ({"call_id": "t9:nobody", "decision": "deny"}, 404, "not_found", CALL),
        (b"not json", 400, "malformed_request", "not JSON"),
    ],
)
async def test_what_can_not_be_decided_is_told_with_what_can(
    api: Api, body: object, status: int, code: str, words: str
):
    life = await asked(api)
    answer = await api.call("POST", path(life, "/decisions"), body)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert words in answer.json()["detail"]


async def test_a_call_that_nobody_is_asked_about_any_more(api: Api):
    life = await running(api)
    await life.result("refund")
    late = await decide(api, life, "deny")
    assert (late.status, late.json()["code"]) == (409, "not_pending")
    await life.settle(TaskStatus.SUCCEEDED)
    assert (await decide(api, life, "deny")).json()["code"] == "not_pending"
