from typing import Any

import pytest
from api_in_memory import Api

from roadworthy.adapters.memory.duty_schedule import MemoryDutySchedule
from roadworthy.adapters.memory.worker_registry import MemoryWorkerRegistry
from roadworthy.domain.ids import new_id
from roadworthy.domain.principal import DEVELOPER, Principal
from roadworthy.domain.task import TaskStatus
from roadworthy.ports.lanes import STRANDED_SECONDS
from roadworthy.ports.worker_registry import Worker

MOVE = "/v1/operator/lanes/support@1/move"


async def serve(api: Api, *lanes: str) -> None:
    worker = Worker(new_id(), dict.fromkeys(lanes, "digest"), "here", 1)
    await MemoryWorkerRegistry(api.world.database).register(worker, 3600)


async def test_the_queue_as_it_is_shown(api: Api):
    await serve(api, "billing@3")
    for _ in range(3):
        await api.submitted()
    await (await api.life()).claim()
    await api.world.database.run("worker_registry", api.world.database.workers.clear)
    await serve(api, "billing@3")
    await api.world.clock.advance(STRANDED_SECONDS + 1)
    answer = await api.call("GET", "/v1/operator/queue")
    assert answer.status == 200
    seconds = STRANDED_SECONDS + 1
    assert answer.json() == {
        "lanes": [
            {
                "lane": "billing@3",
                "agent": "billing",
                "version": "3",
                "queued": 0,
                "paused": 0,
                "undecided": 0,
                "parked": 0,
                "running": 0,
                "depth": 0,
                "oldest_seconds": 0,
                "workers": 1,
                "unserved_seconds": 0,
                "stranded": False,
            },
            {
                "lane": "support@1",
                "agent": "support",
                "version": "1",
                "queued": 3,
                "paused": 0,
                "undecided": 0,
                "parked": 0,
                "running": 1,
                "depth": 4,
                "oldest_seconds": seconds,
                "workers": 0,
                "unserved_seconds": seconds,
                "stranded": True,
            },
        ],
        "totals": {
            "queued": 3,
            "paused": 0,
            "undecided": 0,
            "parked": 0,
            "running": 1,
            "depth": 4,
            "oldest_seconds": seconds,
            "stranded": 1,
            "dead": 0,
        },
        "upkeep": {"last_run_seconds": seconds, "missing": True},
    }


async def test_upkeep_that_ran_is_not_missing(api: Api):
    await api.world.clock.advance(100)
    await MemoryDutySchedule(api.world.database).claim_turn("rescue", 5, 30)
    await api.world.clock.advance(2)
    answer = await api.call("GET", "/v1/operator/queue")
    assert answer.json()["upkeep"] == {"last_run_seconds": 2, "missing": False}


async def test_the_store_is_not_asked_each_time(api: Api):
    for _ in range(3):
        assert (await api.call("GET", "/v1/operator/queue")).status == 200
    assert api.world.outages.calls.count("lanes.loads") == 1


async def test_tasks_are_moved_and_their_followers_told(api: Api):
    await serve(api, "support@2")
    receipts = [await api.submitted() for _ in range(2)]
    answer = await api.call("POST", MOVE, {"to": "2"})
    assert (answer.status, answer.json()) == (
        200,
        {"lane": "support@1", "to": "support@2", "moved": 2, "more": False, "notice": None},
    )
    await api.told()
    shown = (await api.call("GET", f"/v1/tasks/{receipts[0]['id']}")).json()
    assert (shown["version"], shown["status"]) == ("2", "queued")
    assert shown["reason"] == "moved from version 1 to version 2 by dev"
    records = api.world.broker.records[next(iter(api.world.database.tasks))]
    assert [event.data.get("reason") for record in records for event in record.events] == [None, shown["reason"]]
    assert "support@2" in api.world.broker.tickets
    again = await api.call("POST", MOVE, {"to": "support@2"})
    assert (again.status, again.json()["code"]) == (404, "not_found")


async def test_a_version_that_nobody_serves_is_allowed_and_said(api: Api):
    await serve(api, "support@1")
    await api.submitted()
    answer = await api.call("POST", MOVE, {"to": "9"})
    assert answer.json()["moved"] == 1
    assert answer.json()["notice"] == (
        'no worker serves support@9 now; start one, declare continues=["9"], or move its tasks: '
        "roadworthy queue move support@9 --to 1"
    )


async def test_a_lane_whose_tasks_all_run_has_nothing_to_move(api: Api):
    life = await api.life()
    await life.claim()
    answer = await api.call("POST", MOVE, {"to": "2"})
    assert (answer.status, answer.json()["moved"]) == (200, 0)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (MOVE, {"to": "1"}, "the tasks are in support@1 already"),
        (MOVE, {"to": "support@1"}, "the tasks are in support@1 already"),
        (MOVE, {"to": "billing@2"}, "tasks of support can't go to billing"),
        (MOVE, {"to": "a b"}, "is not a lane; a lane is AGENT@VERSION"),
        (MOVE, {"to": "support@"}, "is not a lane; a lane is AGENT@VERSION"),
        (MOVE, {"to": 2}, 'a string like "2"'),
        (MOVE, {}, 'a string like "2"'),
        (MOVE, {"to": "2", "parked": "yes"}, "parked must be true or false"),
        (MOVE, {"to": "2", "force": True}, "unknown field 'force'"),
        (f"{MOVE}?to=2", {"to": "2"}, "unknown query parameter 'to'"),
        ("/v1/operator/lanes/support/move", {"to": "2"}, "'support' is not a lane"),
    ],
)
async def test_what_can_not_be_meant_is_refused_before_anything_is_moved(api: Api, path: str, body: Any, words: str):
    receipt = await api.submitted()
    answer = await api.call("POST", path, body)
    assert (answer.status, answer.json()["code"]) == (422, "invalid_request")
    assert words in answer.json()["detail"]
    assert (await api.call("GET", f"/v1/tasks/{receipt['id']}")).json()["version"] == "1"


async def test_an_unknown_lane_is_told_with_those_that_there_are(api: Api):
    await api.submitted()
    answer = await api.call("POST", "/v1/operator/lanes/suport@1/move", {"to": "2"})
    assert answer.status == 404
    assert "lanes with tasks: support@1" in answer.json()["detail"]


async def test_only_operators_see_the_queue_or_move_tasks():
    async def user(_: object) -> Principal:
        return Principal(DEVELOPER.tenant, DEVELOPER.user)

    api = Api(authenticate=user)
    await api.submitted()
    for method, path in (("GET", "/v1/operator/queue"), ("POST", MOVE)):
        answer = await api.call(method, path, {"to": "2"} if method == "POST" else None)
        assert (answer.status, answer.json()["code"]) == (403, "not_allowed")
    (row,) = api.world.database.tasks.values()
    assert (row.new.version, row.status) == ("1", TaskStatus.QUEUED)
    await api.close()
