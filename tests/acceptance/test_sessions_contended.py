"""Everybody writes to the same few conversations at once: through two servers, to two workers, in every manner."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import asyncpg

from roadworthy.domain.event import Place

from .deployment import Deployment
from .http_api import Api

SESSIONS = 4
CLIENTS = 16
MESSAGES = 8
"""Of each client."""
ANSWER = "one two three four five six"
OCCUPYING = ("queued", "running", "waiting")
ENDED = ("succeeded", "cancelled")
_TASKS = "select id::text, session_id::text, status, input, changes, created_at, output from tasks"
_TURNS = "select session_id::text, task_id::text from turns order by session_id, position"
_TOO_MANY = f"""
    select session_id, array_agg(status) from tasks where status in {OCCUPYING} group by session_id having count(*) > 1
"""


@dataclass(frozen=True, slots=True)
class Sent:
    id: str
    session: str
    message: str
    on_busy: str


class Crowd:
    """Clients that submit in every manner, and cancel some of what they sent."""

    def __init__(self, apis: list[Api], sessions: list[str]) -> None:
        self.sent: list[Sent] = []
        self.refused: list[tuple[str, dict[str, Any]]] = []
        """(session, problem) of each 409."""
        self._apis = apis
        self._sessions = sessions
        self._chance = random.Random(8)

    async def run(self) -> None:
        await asyncio.gather(*(self._write(number) for number in range(CLIENTS)))
        chosen = self._chance.sample(self.sent, len(self.sent) // 4)
        await asyncio.gather(*(self._api().cancel(sent.id) for sent in chosen))

    async def _write(self, client: int) -> None:
        for number in range(MESSAGES):
            session = self._chance.choice(self._sessions)
            on_busy = self._chance.choice(["queue", "queue", "reject", "interrupt"])
            message = f"message {number} of client {client}."
            body = {"agent": "function", "input": message, "session_id": session, "on_busy": on_busy}
            answer = await self._api().post("/v1/tasks", body)
            if answer.status == 409:
                self.refused.append((session, answer.body))
            else:
                assert answer.status == 202, answer
                self.sent.append(Sent(answer.body["id"], session, message, on_busy))

    def _api(self) -> Api:
        return self._chance.choice(self._apis)


async def test_conversations_stay_whole_whoever_writes_to_them(deployment: Deployment) -> None:
    provider = deployment.provider
    provider.control(script=[ANSWER], tokens_per_second=500)
    await deployment.start_api()
    await deployment.start_workers(2)
    first = [await deployment.api.submit("function", f"Begin {number}.") for number in range(SESSIONS)]
    sessions = [receipt["session_id"] for receipt in first]
    crowd = Crowd(deployment.apis, sessions)
    watching = asyncio.create_task(watch_the_wall(deployment.database_url))
    await crowd.run()
    ids = [*(receipt["id"] for receipt in first), *(sent.id for sent in crowd.sent)]
    # Followed at both servers, each task comes to an end that its readers are told.
    ended = await asyncio.gather(*(deployment.apis[n % 2].ended(id_) for n, id_ in enumerate(ids)))
    watching.cancel()
    assert (await asyncio.gather(watching, return_exceptions=True))[0].__class__ is asyncio.CancelledError
    assert {task["status"] for task in ended} == set(ENDED), "none is lost, some were interrupted"

    tasks = {row[0]: row for row in await deployment.fetch(_TASKS)}
    assert sorted(tasks) == sorted(ids), "what was refused left nothing behind"
    changes = {id_: [(c[1], c[3], Place.of(c[0])) for c in json.loads(row[4])] for id_, row in tasks.items()}
    of_session = {s: [id_ for id_, row in tasks.items() if row[1] == s] for s in sessions}

    assert crowd.refused
    for session, problem in crowd.refused:
        assert problem["code"] == "session_busy"
        (named,) = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", problem["detail"])
        assert named in of_session[session]

    for session in sessions:
        spans = sorted(occupied(changes[id_]) for id_ in of_session[session] if occupied(changes[id_]))
        assert all(left <= entered for (_, left), (entered, _) in pairwise(spans)), spans
        check_order_of_release(session, crowd, changes)

    turns: dict[str, list[str]] = defaultdict(list)
    for session, task_id in await deployment.fetch(_TURNS):
        turns[session].append(task_id)
    for session in sessions:
        assert len(set(turns[session])) == len(turns[session])
        started = sorted(
            (at, id_) for id_ in of_session[session] for status, at, _ in changes[id_] if status == "running"
        )
        # Some were cancelled before they said anything; what left a turn did so in the order in which it ran.
        assert [id_ for _, id_ in started if id_ in turns[session]] == turns[session]
        assert {id_ for id_ in of_session[session] if tasks[id_][2] == "succeeded"} <= set(turns[session])
        said = await deployment.api.messages(session)
        asked = [content for role, content in said if role == "user"]
        assert sorted(asked) == sorted(tasks[id_][3] for id_ in of_session[session])
        for (role, content), (next_role, _) in pairwise([*said, ("user", "")]):
            # An answer belongs to the question before it, and a question was answered or was interrupted.
            assert (role, next_role) != ("assistant", "assistant")
            assert role == "user" or ANSWER.startswith(content.strip())

    depths = {request.message: request.depth for request in provider.requests}
    for session in sessions:
        for depth, id_ in enumerate(turns[session]):
            if tasks[id_][2] == "succeeded":
                assert depths[tasks[id_][3]] == depth, "it was asked with all that was said before it, and nothing else"


async def watch_the_wall(url: str) -> None:
    """At no moment has a session two tasks that are queued, running or waiting."""
    connection = await asyncpg.connect(url)
    try:
        while True:
            assert not await connection.fetch(_TOO_MANY)
            await asyncio.sleep(0.01)  # a sample, not a wait: the index keeps watch in between
    finally:
        await connection.close()


def occupied(changes: list[tuple[str, float, Place]]) -> tuple[float, float] | None:
    """From when to when the task held its session."""
    entered = next((at for status, at, _ in changes if status in OCCUPYING), None)
    return None if entered is None else (entered, changes[-1][1])


def check_order_of_release(session: str, crowd: Crowd, changes: dict[str, list[tuple[str, float, Place]]]) -> None:
    """Of the blocked ones the newest that interrupts went first, and then the oldest of the others."""
    blocked = [
        (sent, changes[sent.id][0][1], next((at for status, at, _ in changes[sent.id] if status == "queued"), None))
        for sent in crowd.sent
        if sent.session == session and changes[sent.id][0][0] == "blocked"
    ]
    left_blocked = {sent.id: changes[sent.id][1][1] for sent, *_ in blocked}
    for sent, since, released in blocked:
        if released is None:
            continue
        for other, other_since, _ in blocked:
            if other.id == sent.id or not other_since < released < left_blocked[other.id]:
                continue
            # `other` was blocked when `sent` was released instead.
            if other.on_busy == "interrupt":
                assert sent.on_busy == "interrupt", (sent, other)
                assert since > other_since, (sent, other)
            elif sent.on_busy != "interrupt":
                assert since < other_since, (sent, other)
