"""Users: they submit, come back with the same key after an error, follow the stream, lose it, cancel and interrupt."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from random import Random

from roadworthy.adapters.memory.task_row import TaskRow
from roadworthy.core.insight.change_record import result_of
from roadworthy.core.intake.submission import Submission
from roadworthy.core.operations.resume_order import ResumeOrder
from roadworthy.domain.decision import PendingCall
from roadworthy.domain.errors import (
    DecidedBefore,
    DecisionTooSoon,
    IllegalCursor,
    InvalidRequest,
    NotDead,
    NotFound,
    NotPending,
    SessionBusy,
    StoreUnavailable,
    TaskIsDead,
)
from roadworthy.domain.event import Event, EventKind, Place, rebuilt_events, text_end_of
from roadworthy.domain.ids import SessionId, TaskId
from roadworthy.domain.principal import DEVELOPER, Principal
from roadworthy.domain.task import LIFE_ENDS, OnBusy, Task, TaskStatus

from .cluster import ApiNode, Cluster, Disconnected
from .outside import EFFECTS

_AWAY = (StoreUnavailable, Disconnected)
_TEXT = (EventKind.TEXT, EventKind.THINKING)
_STRANGER = Principal("tenant 0", "stranger")
_AFTER_DONE = ("queued", "blocked", "discarded")
"""What operators make of a dead task."""


class User:
    def __init__(self, cluster: Cluster, number: int, chance: Random) -> None:
        self.name = f"user {number}"
        self._cluster = cluster
        self._chance = chance
        self._principal = Principal(f"tenant {number % 2}", self.name)
        self._sessions: list[SessionId] = []
        self._following: list[asyncio.Task[None]] = []

    async def live(self) -> None:
        """Submit some tasks, and see each of them to its end."""
        for number in range(self._cluster.plan.tasks_of_a_user):
            await asyncio.sleep(self._chance.expovariate(1 / self._chance.choice((0.01, 2, 8))))
            await self._ask(f"{self.name}/{number}")
        await asyncio.gather(*self._following)

    async def _ask(self, token: str) -> None:
        steps = [self._chance.choices(list(EFFECTS), (6, 4, 2, 2, 1), k=self._chance.choice((1, 1, 2, 3)))]
        steps *= self._chance.choice((0, 1, 1, 2, 3))
        limits: dict[str, object] = {}
        if self._chance.random() < 0.15:
            limits = {self._chance.choice(("queue_seconds", "total_seconds")): self._chance.choice((2, 6, 15))}
        elif self._chance.random() < 0.05:
            limits = {"steps": 1}
        with_key = self._chance.random() < 0.9
        submission = Submission(
            json.dumps({"token": token, "steps": steps}),
            session_id=self._chance.choice([*self._sessions, None, None]),
            limits=limits,
            on_busy=self._chance.choice(list(OnBusy)),
            idempotency_key=token if with_key else None,
        )
        task = await self._submit(submission)
        if task is not None:
            self._sessions.append(task.session_id)
            self._following.append(asyncio.create_task(self._see_to_its_end(task)))

    async def _submit(self, submission: Submission) -> Task | None:
        trace = self._cluster.trace
        while True:
            try:
                admitted = await self._an_api(lambda intake: intake.submit(self._principal, submission))
            except SessionBusy:
                trace.count("busy sessions")
                return None
            except _AWAY:
                trace.count("submits answered with an error")
                if submission.idempotency_key is None:
                    return None  # it may be there or not: repeating it could make two
                await asyncio.sleep(self._chance.random())
                continue
            if row := self._cluster.checker.acknowledged(admitted.task.id):
                trace.add("was told that", self._cluster.checker.name(row), "is accepted")
                trace.count("accepted")
            return admitted.task

    async def _an_api(self, ask: object) -> object:
        return await self._choose().request(ask)  # type: ignore[arg-type]

    def _choose(self) -> ApiNode:
        return self._chance.choice(self._cluster.apis)

    async def _see_to_its_end(self, task: Task) -> None:
        cancelling = None
        if self._chance.random() < 0.15:
            cancelling = asyncio.create_task(self._cancel(task, self._chance.expovariate(0.3)))
        if self._chance.random() < 0.8:
            stream = Stream(self._cluster, self._principal, task, self._chance)
            await stream.follow()
            while stream.goes_on:  # it was dead and is resumed
                await stream.follow()
        if cancelling is not None:
            await cancelling

    async def _cancel(self, task: Task, after: float) -> None:
        await asyncio.sleep(after)
        while True:
            try:
                found = await self._an_api(lambda intake: intake.cancel(self._principal, task.id))
            except _AWAY:
                await asyncio.sleep(self._chance.random() * 2)
                continue
            except TaskIsDead:
                return
            break
        self._cluster.trace.count("cancels")
        if found.status not in LIFE_ENDS or found.status is TaskStatus.CANCELLED:
            self._cluster.checker.told_cancelled(task.id)


class Operator:
    """Has dead tasks resumed, or gives them up."""

    def __init__(self, cluster: Cluster, chance: Random) -> None:
        self._cluster = cluster
        self._chance = chance
        self._resumed: Counter[TaskId] = Counter()

    async def live(self) -> None:
        last = self._cluster.plan.seconds + 30
        while self._cluster.loop.time() < last:
            await asyncio.sleep(self._chance.expovariate(0.3))
            for row in self._cluster.checker.with_status(TaskStatus.DEAD):
                if self._resumed[row.id] < 2 and self._chance.random() < 0.7:
                    with suppress(*_AWAY, NotDead, InvalidRequest):
                        await self._treat(row.id)

    async def _treat(self, task_id: TaskId) -> None:
        api = self._chance.choice(self._cluster.apis)
        dead_tasks = api.dead_tasks
        if dead_tasks is None:
            return
        if self._chance.random() < 0.1:
            await api.request(lambda _: dead_tasks.discard(DEVELOPER, task_id))
            self._cluster.trace.count("discarded")
            return
        again = self._chance.random() < 0.3
        self._resumed[task_id] += 1
        await api.request(
            lambda _: dead_tasks.resume(DEVELOPER, task_id, ResumeOrder(from_start=again, repeat_effects=again))
        )
        self._cluster.trace.count("resumed")


class Person:
    """Looks after what waits for a decision: answers, looks things up, and says it again or otherwise."""

    def __init__(self, cluster: Cluster, chance: Random) -> None:
        self._cluster = cluster
        self._effects = cluster.checker.effects
        self._chance = chance

    async def live(self) -> None:
        last = self._cluster.plan.seconds + 60
        while self._cluster.loop.time() < last:
            await asyncio.sleep(self._chance.expovariate(0.6))
            # Also of tasks that run, or are to: their other calls go on meanwhile.
            for row in self._cluster.checker.unfinished():
                for call in self._effects.pending(row):
                    if self._chance.random() < 0.5:
                        await self._answer(row, call)

    async def _answer(self, row: TaskRow, call: PendingCall) -> None:
        is_over = self._effects.is_over(row, call)
        if not is_over and self._chance.random() < 0.8:
            return
        body = {"call_id": call.call_id, **self._said_of(row, call)}
        if await self._decide(row, call, body) and self._chance.random() < 0.2:
            await self._decide(
                row, call, self._chance.choice([body, {"call_id": call.call_id, **self._said_of(row, call)}])
            )

    def _said_of(self, row: TaskRow, call: PendingCall) -> dict[str, object]:
        if call.about == "effect":
            if self._effects.has_happened(row, call):
                return {"decision": "done", "value": f"paid, says {call.tool}"}
            return {"decision": "not_done", "note": "it is not in the books"}
        match self._chance.choice(("approve", "edit", "deny")):
            case "approve":
                return {"decision": "approve"}
            case "edit":
                return {"decision": "approve", "value": {**call.arguments, "note": "gift-wrapped"}}
            case _:
                return {"decision": "deny", "note": "too dear"}

    async def _decide(self, row: TaskRow, call: PendingCall, body: dict[str, object]) -> bool:
        """Whether it was accepted."""
        api = self._chance.choice(self._cluster.apis)
        decide_call = api.decide_call
        principal = self._chance.choice((row.new.principal, row.new.principal, DEVELOPER, _STRANGER))
        if decide_call is None:
            return False
        checker, name = self._cluster.checker, self._cluster.checker.name(row)
        try:
            await api.request(lambda _: decide_call.decide(principal, row.id, body))
        except NotFound:
            if principal is not _STRANGER:
                checker.fail("people find what they are asked about", f"{call.call_id} of {name}")
            return False
        except (InvalidRequest, NotPending, DecidedBefore, DecisionTooSoon) as error:
            # Also what would have been right a moment ago: it was allowed, and now its effect is unknown.
            self._cluster.trace.count(f"decisions refused: {error.code}")
            return False
        except _AWAY:
            return False
        if principal is _STRANGER:
            checker.fail("nobody decides for others", f"{call.call_id} of {name}")
        self._effects.accepted(row, call)
        self._cluster.trace.add("decided", body["decision"], "of", call.call_id, "of", name)
        self._cluster.trace.count(f"decided: {body['decision']}")
        return True


class Stream:
    """One client's view of a task, over any number of connections to any API."""

    def __init__(self, cluster: Cluster, principal: Principal, task: Task, chance: Random) -> None:
        self._cluster = cluster
        self._principal = principal
        self._task = task
        self._chance = chance
        self._cursor = 0
        self._durable: list[Event] = []
        self._text = ""
        self._texts: list[str] = []
        """The text shown when each step came."""
        self._done = False

    @property
    def goes_on(self) -> bool:
        """The task has another life after the one that was seen to its end."""
        return self._cluster.checker.row(self._task.id).changes[-1].number > self._cursor

    async def follow(self) -> None:
        self._done = False
        trace = self._cluster.trace
        while not self._done:
            api = self._chance.choice(self._cluster.apis)
            trace.add("follows", trace.named(self._task.id), "at", api.process, "after", Place.of(self._cursor)[:])
            connection = api.stream(self._principal, self._task.id, self._cursor)
            # A client may go away at any moment; a network may be silent without anybody knowing.
            patience = self._chance.choice((0.3, 2.0, 20.0, 60.0))
            try:
                async with asyncio.timeout(patience):
                    while (events := await connection.next()) is not None:
                        for event in events:
                            self._take(event)
            except IllegalCursor:
                self._fail(f"its cursor {self._cursor} was refused")
            except (*_AWAY, TimeoutError):
                pass
            connection.hang_up()
            if not self._done:
                self._cluster.trace.count("reconnects")
                await asyncio.sleep(self._chance.random())
        self._compare()

    def _take(self, event: Event) -> None:
        if self._done and event.data.get("status") not in _AFTER_DONE:
            self._fail(f"{event.kind} after `done`, before another life began")
        if event.number <= self._cursor:
            self._fail(f"number {event.number} after {self._cursor}")
        self._cursor = event.number
        name = self._cluster.trace.named(self._task.id)
        self._cluster.trace.add("is shown", event.kind, "of", name, Place.of(event.number)[:])
        match event.kind:
            case EventKind.TEXT | EventKind.THINKING:
                self._text += event.data["text"]
            case EventKind.RESTART:
                self._cluster.trace.count("restarts shown")
                self._text = ""
            case _:
                self._durable.append(event)
        if event.kind is EventKind.STEP:
            self._texts.append(self._text)
            self._text = ""
        self._done = event.kind is EventKind.DONE

    def _compare(self) -> None:
        """What was shown with what the store knows."""
        self._cluster.trace.count("streams seen to their end")
        row = self._cluster.checker.row(self._task.id)
        truth = [
            event
            for event in rebuilt_events(row.changes, row.journal, 0, result_of(row.task()))
            if event.kind not in (*_TEXT, EventKind.RESTART) and event.number <= self._cursor
        ]
        if not all(map(_is_same, self._durable, truth)) or len(self._durable) != len(truth):
            seen = {event.number for event in self._durable}
            lacks = [(event.number, event.kind.value) for event in truth if event.number not in seen]
            known = {event.number: event for event in truth}
            wrong = [event for event in self._durable if not _is_same(event, known.get(event.number))]
            self._fail(f"it lacks {lacks} and has {wrong}")
        steps = [event for event in self._durable if event.kind is EventKind.STEP]
        for event, shown in zip(steps, self._texts, strict=True):
            entry = row.journal[Place.of(event.number).journal - 1]
            said = "".join(text for _, text in entry.detail["pieces"]) if text_end_of(entry) is not None else ""
            if shown != said:
                self._fail(f"the text of {entry.key} was {said!r}, shown was {shown!r}")

    def _fail(self, what: str) -> None:
        row = self._cluster.checker.row(self._task.id)
        self._cluster.checker.fail(
            "a stream misses nothing and shows nothing twice", f"{self._cluster.checker.name(row)}: {what}"
        )


def _is_same(shown: Event, known: Event | None) -> bool:
    """What earlier lives ended with is told at their ends only."""
    if known is None or shown.number != known.number or shown.kind is not known.kind:
        return False
    return dict(shown.data) == dict(known.data) or (shown.kind is EventKind.DONE and "output" not in known.data)
