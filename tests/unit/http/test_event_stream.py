import pytest
from api_in_memory import Api

from roadworthy.domain.event import Place
from roadworthy.domain.ids import new_id
from roadworthy.domain.task import TaskStatus


def blocks(body: bytes) -> list[tuple[int, str]]:
    found = []
    for block in body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            assert list(lines) == ["id", "event", "data"]
            found.append((int(lines["id"]), lines["event"]))
    return found


async def test_a_stream_from_the_first_status_to_done(api: Api):
    life = await api.life()
    call = api.begin("GET", f"/v1/tasks/{life.task.id}/events")
    await call.until(b"event: status")
    await life.claim()
    await life.say("Grüße\nvon hier")
    await call.until(b'data: {"text":"Gr\xc3\xbc\xc3\x9fe\\nvon hier"}\n\n')
    await life.reply()
    await life.settle(TaskStatus.SUCCEEDED, output="fine")
    answer = await call.answer()
    assert answer.status == 200
    assert answer.headers == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
    }
    assert [kind for _, kind in blocks(answer.body)] == ["status", "status", "text", "step", "done"]
    numbers = [number for number, _ in blocks(answer.body)]
    assert numbers == sorted(numbers)
    assert call.sent[-1] == {"type": "http.response.body", "body": b""}


@pytest.mark.parametrize("by", ["header", "query", "both"])
async def test_a_client_goes_on_where_it_was(api: Api, by: str):
    life = await api.life()
    await life.claim()
    await life.reply()
    await life.settle(TaskStatus.SUCCEEDED)
    path, after = f"/v1/tasks/{life.task.id}/events", Place(1, 0, 0, 0).number
    headers = {"Last-Event-ID": str(after)} if by != "query" else {}
    query = {"header": "", "query": f"?after={after}", "both": "?after=0"}[by]
    answer = await api.call("GET", path + query, headers=headers)
    assert [kind for _, kind in blocks(answer.body)] == ["done"]


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9007199254740992", "9" * 40, "²", str(Place(9, 0, 0, 0).number)])
async def test_illegal_cursors(api: Api, cursor: str):
    life = await api.life()
    answer = await api.call("GET", f"/v1/tasks/{life.task.id}/events", headers={"Last-Event-ID": cursor})
    assert (answer.status, answer.json()["code"]) == (400, "illegal_cursor")


async def test_a_client_that_goes_away_leaves_nothing_behind(api: Api):
    life = await api.life()
    calls = [api.begin("GET", f"/v1/tasks/{life.task.id}/events") for _ in range(5)]
    for call in calls:
        await call.until(b"event: status")
    assert api.world.followers.open_readers == 5
    for call in calls:
        await call.hang_up()
    assert api.world.followers.open_readers == 0


async def test_a_quiet_stream_has_comments(api: Api):
    api.world.follow.heartbeat_seconds = 0.01
    life = await api.life()
    call = api.begin("GET", f"/v1/tasks/{life.task.id}/events")
    await call.until(b":\n\n:\n\n")
    await call.hang_up()


async def test_a_stream_opens_at_once_where_there_is_nothing_to_tell(api: Api):
    life = await api.life()
    call = api.begin("GET", f"/v1/tasks/{life.task.id}/events?after={life.task.changes[-1].number}")
    await call.until(b":\n\n")
    assert call.sent[0]["status"] == 200
    await call.hang_up()


async def test_head_has_no_body_and_leaves_nothing_open(api: Api):
    life = await api.life()
    answer = await api.call("HEAD", f"/v1/tasks/{life.task.id}/events")
    assert (answer.status, answer.body) == (200, b"")
    assert (await api.call("HEAD", f"/v1/tasks/{new_id()}/events")).status == 404


async def test_streams_end_when_the_process_does(api: Api):
    life = await api.life()
    call = api.begin("GET", f"/v1/tasks/{life.task.id}/events")
    await call.until(b"event: status")
    api.world.followers.dismiss()
    answer = await call.answer()
    assert [kind for _, kind in blocks(answer.body)] == ["status"]
    late = await api.call("GET", f"/v1/tasks/{life.task.id}/events")
    assert [kind for _, kind in blocks(late.body)] == ["status"]


async def test_the_store_goes_away_while_streaming(api: Api):
    life = await api.life()
    call = api.begin("GET", f"/v1/tasks/{life.task.id}/events")
    await call.until(b"event: status")
    api.world.outages.store_away = api.world.outages.broker_away = True
    await api.world.clock.advance(10)
    api.world.outages.store_away = api.world.outages.broker_away = False
    await life.claim()
    await life.settle(TaskStatus.SUCCEEDED)
    await api.world.clock.advance(10)
    answer = await call.answer()
    assert [kind for _, kind in blocks(answer.body)] == ["status", "status", "done"]
