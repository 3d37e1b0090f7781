from dataclasses import replace
from typing import Any

import pytest
from api_in_memory import Api

from roadworthy.domain.ids import new_id
from roadworthy.domain.principal import Principal
from roadworthy.domain.route import Tier
from roadworthy.domain.task import TaskStatus
from roadworthy.edges.http.application import http_app

GRADES = "/v1/operator/grades"


async def answered(api: Api, tier: Tier | None = "simple") -> str:
    life = await api.life()
    await life.claim()
    await life.settle(TaskStatus.SUCCEEDED)
    api.world.database.tasks[life.task.id].tier = tier
    return str(life.task.id)


async def test_a_thumb_is_kept_and_shown(api: Api):
    task = await answered(api)
    feedback = f"/v1/tasks/{task}/feedback"
    nothing = await api.call("GET", feedback)
    assert nothing.json() == {"task_id": task, "feedback": None}
    given = await api.call("POST", feedback, {"grade": "bad", "note": " wrong parcel "})
    assert given.status == 200
    shown = given.json()
    assert shown.pop("at").endswith("Z")
    assert shown == {
        "task_id": task,
        "source": "user",
        "grade": "bad",
        "tier": None,
        "note": "wrong parcel",
        "given_by": "dev",
    }
    assert (await api.call("GET", feedback)).json()["feedback"] == given.json()
    again = await api.call("POST", feedback, {"grade": "good"})
    assert (await api.call("GET", feedback)).json()["feedback"] == again.json()


async def test_what_operators_say_is_theirs(api: Api):
    task = await answered(api)
    labelled = await api.call("POST", f"/v1/operator/tasks/{task}/label", {"tier": "complex", "note": "legal"})
    assert (labelled.status, labelled.json()["source"], labelled.json()["tier"]) == (200, "operator", "complex")
    judged = await api.call("POST", f"/v1/operator/tasks/{task}/label", {"grade": "good", "source": "eval"})
    assert (judged.json()["source"], judged.json()["grade"]) == ("eval", "good")
    assert (await api.call("GET", f"/v1/tasks/{task}/feedback")).json()["feedback"] is None
    actions = (await api.call("GET", f"/v1/operator/actions?task_id={task}")).json()["actions"]
    assert [(action["action"], action["note"]) for action in actions] == [("label", None), ("label", "legal")]


async def test_what_routers_learn_from_comes_in_pages(api: Api):
    tasks = [await answered(api, "simple"), await answered(api, "complex"), await answered(api)]
    for task in tasks[:2]:
        await api.call("POST", f"/v1/tasks/{task}/feedback", {"grade": "good"})
    await api.call("POST", f"/v1/operator/tasks/{tasks[0]}/label", {"tier": "moderate"})
    first = (await api.call("GET", f"{GRADES}?limit=1")).json()
    assert [session["tasks"][0]["tier"] for session in first["sessions"]] == ["complex"]
    second = (await api.call("GET", f"{GRADES}?limit=1&cursor={first['next_cursor']}")).json()
    (session,) = second["sessions"]
    assert (session["agent"], session["text"]) == ("support", "hello")
    (graded,) = session["tasks"]
    assert [(grade["source"], grade["grade"], grade["tier"]) for grade in graded["grades"]] == [
        ("operator", None, "moderate"),
        ("user", "good", None),
    ]
    end = (await api.call("GET", f"{GRADES}?limit=1&cursor={second['next_cursor']}")).json()
    assert end == {"sessions": [], "next_cursor": None}
    assert (await api.call("GET", f"{GRADES}?agent=sales")).json()["sessions"] == []
    at = (await api.call("GET", f"/v1/tasks/{tasks[0]}/feedback")).json()["feedback"]["at"]
    await api.world.clock.advance(1)
    await api.call("POST", f"/v1/tasks/{tasks[2]}/feedback", {"grade": "good"})
    since = (await api.call("GET", f"/v1/tasks/{tasks[2]}/feedback")).json()["feedback"]["at"]
    assert at < since
    newest = (await api.call("GET", f"{GRADES}?since={since}")).json()["sessions"]
    assert [session["tasks"][0]["grades"][0]["task_id"] for session in newest] == [tasks[2]]


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("feedback", {}, "grade is missing"),
        ("feedback", {"grade": "great"}, "good, bad"),
        ("feedback", {"grade": ["good"]}, "good, bad"),
        ("feedback", {"grade": "good", "tier": "simple"}, "unknown field 'tier'"),
        ("feedback", {"grade": "good", "note": 3}, "note must be text"),
        ("label", {}, "a label says"),
        ("label", {"tier": "hard"}, "simple, moderate, complex"),
        ("label", {"tier": ["simple"]}, "simple, moderate, complex"),
        ("label", {"grade": "good", "source": "user"}, "operator or eval"),
    ],
)
async def test_what_says_nothing_is_refused(api: Api, path: str, body: dict[str, Any], word: str):
    task = await answered(api)
    whole = f"/v1/tasks/{task}/feedback" if path == "feedback" else f"/v1/operator/tasks/{task}/label"
    answer = await api.call("POST", whole, body)
    assert (answer.status, answer.json()["code"]) == (422, "invalid_request")
    assert word in answer.json()["detail"]


async def test_only_an_answer_can_be_graded(api: Api):
    task = (await api.submitted())["id"]
    answer = await api.call("POST", f"/v1/tasks/{task}/feedback", {"grade": "good"})
    assert (answer.status, answer.json()["code"]) == (409, "no_answer")
    assert (await api.call("POST", f"/v1/operator/tasks/{task}/label", {"tier": "simple"})).status == 200


async def test_what_is_not_there_or_not_yours(api: Api):
    task = await answered(api)
    for path in (f"/v1/tasks/{new_id()}/feedback", "/v1/tasks/x/feedback", f"/v1/operator/tasks/{new_id()}/label"):
        answer = await api.call("POST", path, {"grade": "good"})
        assert (answer.status, answer.json()["code"]) == (404, "not_found"), path

    async def stranger(_: object) -> Principal:
        return Principal("dev", "someone")

    api.app = http_app(replace(api.dependencies, authenticate=stranger))
    assert (await api.call("POST", f"/v1/tasks/{task}/feedback", {"grade": "good"})).status == 404
    assert (await api.call("GET", f"/v1/tasks/{task}/feedback")).status == 404
    assert (await api.call("POST", f"/v1/operator/tasks/{task}/label", {"grade": "good"})).status == 403
    assert (await api.call("GET", GRADES)).status == 403


async def test_the_tier_is_a_part_of_the_task(api: Api):
    task = await answered(api, "complex")
    assert (await api.call("GET", f"/v1/tasks/{task}")).json()["tier"] == "complex"
