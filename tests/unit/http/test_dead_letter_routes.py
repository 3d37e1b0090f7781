"""`/v1/operator/dead` and `/v1/operator/actions`: what operators are told, and what they get wrong."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote
from uuid import UUID

import orjson
import pytest
from api_in_memory import Api
from task_life import Life

from roadworthy import AgentService, ToolPolicy
from roadworthy.domain.errors import StoreUnavailable
from roadworthy.domain.ids import new_id
from roadworthy.domain.principal import DEVELOPER, Principal
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.ports.task_store import TaskFilter

DEAD = "/v1/operator/dead"
SOMEBODY = UUID(int=7)


@pytest.fixture
async def api():
    api = Api(AgentService(None, name="support", tools={"find_order": ToolPolicy(effect="read")}))
    yield api
    await api.close()


async def submitted(api: Api, **fields: Any) -> Task:
    receipt = await api.submitted(**fields)
    await api.told()
    tasks = await api.world.task_store.list(DEVELOPER, TaskFilter())
    return next(task for task in tasks if str(task.id) == receipt["id"])


async def died(api: Api, *tools: str, session_id: str | None = None) -> Life:
    """A task that died after it had called these tools."""
    life = Life(api.world, await submitted(api, **({} if session_id is None else {"session_id": session_id})))
    await life.claim()
    if tools:
        await life.reply(*tools)
        for number, tool in enumerate(tools):
            await life.result(tool, number)
    await life.settle(TaskStatus.DEAD, "it failed", output=None)
    return life


async def problem(api: Api, method: str, path: str, body: object = None) -> tuple[int, str, str]:
    answer = await api.call(method, path, body)
    assert answer.headers["content-type"] == "application/problem+json", answer.body
    told = answer.json()
    return answer.status, told["code"], told["detail"]


async def test_the_list_and_its_counts(api: Api):
    lives = [await died(api) for _ in range(3)]
    first = (await api.call("GET", f"{DEAD}?limit=2")).json()
    assert [task["id"] for task in first["tasks"]] == [str(life.task.id) for life in (lives[2], lives[1])]
    assert first["counts"] == {
        "total": 3,
        "by": [{"agent": "support", "version": "1", "code": "x", "count": 3}],
    }
    line = first["tasks"][0]
    assert (line["tenant"], line["user"], line["error"]["code"], line["input"]) == ("dev", "dev", "x", "hello")
    assert line["links"]["resume"] == f"{DEAD}/{line['id']}/resume"
    second = (await api.call("GET", f"{DEAD}?limit=2&cursor={first['next_cursor']}")).json()
    assert ([task["id"] for task in second["tasks"]], second["counts"]) == ([str(lives[0].task.id)], None)
    assert second["next_cursor"] is None


async def test_the_list_by_time_and_kind(api: Api):
    await died(api)
    at = (await api.call("GET", DEAD)).json()["tasks"][0]["died_at"]
    for query, count in (
        (f"since={quote(at)}&until=2999-01-01T00:00:00%2B01:00", 1),
        ("until=1999-01-01T00:00:00Z", 0),
        ("agent=support&version=1&code=x&tenant=dev&user=dev", 1),
        ("code=y", 0),
    ):
        page = (await api.call("GET", f"{DEAD}?{query}")).json()
        assert (len(page["tasks"]), page["counts"]["total"]) == (count, count), query


async def test_one_with_all_that_led_to_it(api: Api):
    life = await died(api, "find_order", "refund")
    shown = (await api.call("GET", f"{DEAD}/{life.task.id}")).json()
    assert (shown["failed_step"], shown["limits"]["steps"]) == ({"generation": 0, "step": 2, "tool": None}, 15)
    assert [(step["step"], step["failed"]) for step in shown["steps"]] == [(1, False), (2, True)]
    assert [(effect["tool"], effect["outcome"]) for effect in shown["effects"]] == [("refund", "done")]
    assert [change["status"] for change in shown["changes"]] == ["queued", "running", "dead"]
    assert (shown["actions"], shown["history"], shown["usage_by_generation"][0]["steps"]) == ([], [], 1)


async def test_resume_says_how_it_goes_on_and_what_to_mind(api: Api):
    life, again = await died(api), await died(api)
    answer = await api.call("POST", f"{DEAD}/{life.task.id}/resume", {"note": "because", "limits": {"steps": 99}})
    assert answer.status == 202
    told = answer.json()
    assert (told["status"], told["reason"]) == ("queued", "resumed by dev from step 1 with steps 99 (was 15)")
    assert told["notices"] == []
    told = (await api.call("POST", f"{DEAD}/{again.task.id}/resume", {"version": "7"})).json()
    assert told["notices"] == [
        "no worker serves support@7 now; the task waits until one is started, and is dead again after 600 s"
    ]
    actions = (await api.call("GET", "/v1/operator/actions")).json()["actions"]
    assert [action["task_id"] for action in actions] == [str(again.task.id), str(life.task.id)]
    (action,) = (await api.call("GET", f"/v1/operator/actions?task_id={life.task.id}")).json()["actions"]
    assert (action["operator"], action["note"]) == ("dev", "because")
    assert action["detail"]["limits"] == {"steps": {"before": 15, "after": 99}}
    first = (await api.call("GET", "/v1/operator/actions?limit=1")).json()
    rest = (await api.call("GET", f"/v1/operator/actions?cursor={first['next_cursor']}")).json()
    assert [action["id"] for action in first["actions"] + rest["actions"]] == [action["id"] for action in actions]


async def test_a_resumed_task_is_told_to_workers_and_followers(api: Api):
    life = await died(api)
    stream = api.world.follow(DEVELOPER, life.task.id)
    assert (await anext(stream))[-1].data["status"] == "dead"
    await stream.aclose()
    before = len(api.world.broker.records[life.task.id])
    await api.call("POST", f"{DEAD}/{life.task.id}/resume")
    await api.told()
    (record,) = api.world.broker.records[life.task.id][before:]
    assert [event.data["status"] for event in record.events] == ["queued"]
    assert api.world.broker.tickets == {"support@1"}


async def test_from_the_start_lists_what_would_be_done_again(api: Api):
    life = await died(api, "refund")
    answer = await api.call("POST", f"{DEAD}/{life.task.id}/resume", {"from_start": True})
    told = answer.json()
    assert (answer.status, told["code"]) == (409, "effects_would_repeat")
    assert [(effect["tool"], effect["step"], effect["outcome"]) for effect in told["effects"]] == [
        ("refund", 1, "done")
    ]
    body = {"from_start": True, "repeat_effects": True}
    told = (await api.call("POST", f"{DEAD}/{life.task.id}/resume", body)).json()
    assert (told["status"], told["generation"]) == ("queued", 1)


async def test_discard_is_final(api: Api):
    life = await died(api)
    answer = await api.call("POST", f"{DEAD}/{life.task.id}/discard", {"note": "spam"})
    assert (answer.status, answer.json()["status"]) == (200, "discarded")
    for act in ("resume", "discard"):
        status, code, detail = await problem(api, "POST", f"{DEAD}/{life.task.id}/{act}")
        assert (status, code) == (409, "not_dead")
        assert "discarded by dev" in detail
    assert (await api.call("GET", f"{DEAD}/{life.task.id}")).json()["actions"][0]["note"] == "spam"


async def test_what_is_not_there_or_not_dead(api: Api):
    receipt = await api.submitted()
    for method, path in (("GET", ""), ("POST", "/resume"), ("POST", "/discard")):
        status, code, detail = await problem(api, method, f"{DEAD}/{receipt['id']}{path}")
        assert (status, code) == (409, "not_dead")
        assert "queued" in detail
        for task_id in (new_id(), "x"):
            assert (await problem(api, method, f"{DEAD}/{task_id}{path}"))[:2] == (404, "not_found")


async def test_of_a_task_that_waits_operators_are_told_why_and_where_to_look(api: Api):
    life = Life(api.world, await submitted(api))
    await life.claim()
    await life.settle(TaskStatus.WAITING, "look whether it happened", output=None)
    status, code, detail = await problem(api, "GET", f"{DEAD}/{life.task.id}")
    assert (status, code) == (409, "not_dead")
    assert detail.startswith(
        f"it is waiting: look whether it happened; it never was dead; `roadworthy decide {life.task.id}` shows what"
    )


async def test_cancel_of_a_dead_task_says_what_ends_it(api: Api):
    life = await died(api)
    for _ in range(2):
        status, code, detail = await problem(api, "POST", f"/v1/tasks/{life.task.id}/cancel")
        assert (status, code) == (409, "task_is_dead")
        assert f"roadworthy dead discard {life.task.id}" in detail
    await api.call("POST", f"{DEAD}/{life.task.id}/discard")
    assert (await api.call("POST", f"/v1/tasks/{life.task.id}/cancel")).status == 202


@pytest.mark.parametrize(
    ("limits", "says"),
    [({"zz": 1}, "limits.zz is not known"), ({"steps": 0}, "above zero"), ({"cost_usd": "x"}, "cost")],
)
async def test_a_batch_that_matches_nothing_is_checked_as_well(api: Api, limits: dict[str, Any], says: str):
    order = {"filter": {"code": "no_such"}, "limits": limits}
    status, code, detail = await problem(api, "POST", f"{DEAD}/resume", order)
    assert (status, code) == (422, "invalid_request")
    assert says in detail


async def test_somebody_who_is_faster(api: Api):
    life = await died(api)
    path = f"{DEAD}/{life.task.id}/resume"
    answers = await asyncio.gather(*(api.call("POST", path) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [202, 409, 409, 409]
    assert len((await api.call("GET", "/v1/operator/actions")).json()["actions"]) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", DEAD),
        ("GET", f"{DEAD}/{SOMEBODY}"),
        ("POST", f"{DEAD}/{SOMEBODY}/resume"),
        ("POST", f"{DEAD}/{SOMEBODY}/discard"),
        ("POST", f"{DEAD}/resume"),
        ("POST", f"{DEAD}/discard"),
        ("GET", "/v1/operator/actions"),
    ],
)
async def test_only_operators_may(method: str, path: str):
    async def a_user(_: Any) -> Principal:
        return Principal("dev", "dev")

    api = Api(authenticate=a_user)
    assert (await problem(api, method, path, {}))[:2] == (403, "not_allowed")
    await api.close()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("since=yesterday", "since must be a moment"),
        ("until=2026-01-01T00:00:00", "with its zone"),
        ("since=9999-12-31T23:59:59-23:59", "since must be a moment"),
        ("until=9999-12-31T23:59:59.999999Z", "until must be a moment"),
        ("since=0001-01-01T00:00:00%2B23:59", "since must be a moment"),
        ("agents=support", "unknown query parameter 'agents'"),
        ("limit=0", "limit"),
        ("code=%00", "code must be text"),
    ],
)
async def test_filters_that_can_not_be_used(api: Api, query: str, says: str):
    status, code, detail = await problem(api, "GET", f"{DEAD}?{query}")
    assert (status, code) == (422, "invalid_request")
    assert says in detail


@pytest.mark.parametrize(
    ("act", "body", "says"),
    [
        ("resume", {}, "the filter is empty"),
        ("discard", {"filter": {}}, "--all"),
        ("resume", {"filter": {"code": "x"}, "all": True}, "an empty filter only"),
        ("resume", {"filter": {"codes": "x"}}, "unknown field 'codes'"),
        ("resume", {"filter": {"code": 7}}, "code must be text"),
        ("resume", {"filter": ["x"]}, "filter must be an object"),
        ("resume", {"all": True, "input": "one for all"}, "unknown field 'input'"),
        ("discard", {"all": True, "version": "2"}, "unknown field 'version'"),
        ("resume", {"all": True, "limit": 101}, "from 1 to 100"),
        ("resume", {"all": True, "limit": True}, "from 1 to 100"),
        ("resume", {"all": 1}, "all must be true or false"),
        ("resume", {"all": True, "cursor": 7}, "next_cursor"),
        ("resume", {"all": True, "limits": {"steps": 2.5}}, "a whole number"),
    ],
)
async def test_batches_that_can_not_be_used(api: Api, act: str, body: dict[str, Any], says: str):
    life = await died(api)
    answer = await api.call("POST", f"{DEAD}/{act}", body)
    assert (answer.status, answer.json()["code"]) == (422, "invalid_request")
    assert says in answer.json()["detail"]
    assert (await api.world.task_store.find(DEVELOPER, life.task.id)).status is TaskStatus.DEAD


async def test_many_are_resumed_oldest_first_in_bounded_batches(api: Api):
    lives = [await died(api) for _ in range(5)]
    cursor, seen = None, list[str]()
    while True:
        batch = (await api.call("POST", f"{DEAD}/resume", {"all": True, "limit": 2, "cursor": cursor})).json()
        assert len(batch["tasks"]) <= 2
        assert {task["outcome"] for task in batch["tasks"]} <= {"resumed"}
        seen += [task["id"] for task in batch["tasks"]]
        cursor = batch["next_cursor"]
        if cursor is None:
            break
    assert seen == [str(life.task.id) for life in lives]
    assert (await api.call("POST", f"{DEAD}/resume", {"all": True})).json()["tasks"] == []


async def test_one_that_can_not_be_resumed_holds_up_no_other(api: Api):
    done, free = await died(api, "refund"), await died(api)
    body = {"filter": {"code": "x"}, "from_start": True}
    dry = (await api.call("POST", f"{DEAD}/resume", body | {"dry_run": True})).json()
    assert [task["outcome"] for task in dry["tasks"]] == ["refused", "would be resumed"]
    assert (await api.world.task_store.find(DEVELOPER, free.task.id)).status is TaskStatus.DEAD
    batch = (await api.call("POST", f"{DEAD}/resume", body)).json()
    refused, resumed = batch["tasks"]
    assert (refused["id"], refused["status"], refused["problem"]["code"]) == (
        str(done.task.id),
        "dead",
        "effects_would_repeat",
    )
    assert (resumed["id"], resumed["outcome"], resumed["status"]) == (str(free.task.id), "resumed", "queued")


async def test_many_are_discarded_after_a_dry_run(api: Api):
    for _ in range(2):
        await died(api)
    body = {"filter": {"agent": "support"}, "note": "spam"}
    dry = (await api.call("POST", f"{DEAD}/discard", body | {"dry_run": True})).json()
    done = (await api.call("POST", f"{DEAD}/discard", body)).json()
    assert [[task["outcome"] for task in each["tasks"]] for each in (dry, done)] == [
        ["would be discarded"] * 2,
        ["discarded"] * 2,
    ]
    assert (await api.call("GET", DEAD)).json()["counts"]["total"] == 0


async def test_a_store_that_goes_away_in_the_middle_is_told_with_what_was_done(
    api: Api, monkeypatch: pytest.MonkeyPatch
):
    lives = [await died(api) for _ in range(3)]
    resume, calls = api.dead.resume, list[Any]()

    async def flaky(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise StoreUnavailable
        return await resume(*arguments)

    monkeypatch.setattr(api.dead, "resume", flaky)
    batch = (await api.call("POST", f"{DEAD}/resume", {"all": True})).json()
    assert [task["outcome"] for task in batch["tasks"]] == ["resumed", "unknown"]
    assert batch["interrupted"]
    again = (await api.call("POST", f"{DEAD}/resume", {"all": True})).json()
    assert [task["id"] for task in again["tasks"]] == [str(life.task.id) for life in lives[1:]]
    assert orjson.dumps(again)
