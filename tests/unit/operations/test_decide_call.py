"""Whoever decides about a tool call is told whether that was possible, and the task goes on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from conformance.implementations import memory_stores
from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.event_log import MemoryCancelSignals, MemoryEventLog
from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.core.announcer import Announcer
from roadworthy.core.insight.pending import PendingReader
from roadworthy.core.operations.decide_call import DecideCall
from roadworthy.core.publisher import EventPublisher
from roadworthy.domain.decision import Verdict
from roadworthy.domain.errors import (
    DecidedBefore,
    DecisionTooSoon,
    IllegalCursor,
    InputTooLarge,
    InvalidRequest,
    NotAllowed,
    NotFound,
    NotPending,
    RoadworthyError,
)
from roadworthy.domain.journal import EntryKind, EntryWrite
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Claimed, Task, TaskStatus
from roadworthy.testing.conformance.lanes import park_for_mismatch
from roadworthy.testing.conformance.scenario import ALICE, BOB, LANE, claim_one, run_one, settle
from roadworthy.testing.manual_clock import ManualClock

OPERATOR = Principal("elsewhere", "olga", frozenset({"operator"}))
LEASE_SECONDS = 30
REFUND = "t1:c1"


class Desk:
    """Tasks in memory that wait for people, and where people decide."""

    def __init__(self) -> None:
        self.stores = stores = memory_stores()
        self.queue = MemoryWorkQueue(MemoryBroker(ManualClock()))
        broker = MemoryBroker(ManualClock())
        self.publisher = EventPublisher(MemoryEventLog(broker))
        self.announcer = Announcer(self.queue, self.publisher, MemoryCancelSignals(broker))
        self.decide_call = DecideCall(stores.tasks, stores.journal, stores.decisions, self.announcer, LEASE_SECONDS)
        self.pending = PendingReader(stores.decisions, stores.journal, LEASE_SECONDS)

    async def decide(self, task: Task, body: Mapping[str, Any], by: Principal = ALICE) -> Task:
        decided = await self.decide_call.decide(by, task.id, {"call_id": REFUND, "decision": "approve"} | body)
        return decided.task

    async def refused(self, kind: type[RoadworthyError], words: str, task: Task, **body: Any) -> RoadworthyError:
        """Nothing has changed then."""
        before = await self.stores.decisions.find_any(OPERATOR, task.id)
        with pytest.raises(kind, match=words) as raised:
            await self.decide(task, body)
        assert type(raised.value) is kind
        assert await self.stores.decisions.find_any(OPERATOR, task.id) == before
        return raised.value

    async def write(self, claimed: Claimed, key: str, kind: EntryKind, **detail: Any) -> None:
        detail = {"tool": "refund", "arguments": {"order": 7}} | detail
        await self.stores.journal.append([EntryWrite(claimed.fence, key, kind, b"", orjson.dumps(detail))])

    async def asked(self, about: str = "approval", **more: Any) -> Claimed:
        """A running task of which people are asked about a refund."""
        claimed = await run_one(self.stores)
        if about == "effect":
            await self.write(claimed, "s1:c1", EntryKind.STARTED, **more)
        else:
            await self.write(claimed, "w1:c1", EntryKind.ASKED, about=about, words="more than 100", **more)
        return claimed

    async def waiting(self, about: str = "approval", **more: Any) -> Task:
        return (await settle(self.stores, await self.asked(about, **more), TaskStatus.WAITING)).task

    async def close(self) -> None:
        await self.announcer.close()
        await self.publisher.close()


@pytest.fixture
async def desk():
    desk = Desk()
    yield desk
    await desk.close()


# What becomes of it


async def test_the_task_is_queued_and_workers_hear_of_it(desk: Desk):
    waiting = await desk.waiting()
    task = await desk.decide(waiting, {"note": " as agreed "})
    assert (task.status, task.reason) == (TaskStatus.QUEUED, "approved by alice: refund")
    await desk.announcer.close()
    assert await desk.queue.wait([LANE], 0)
    (decision,) = await desk.stores.decisions.of_task(ALICE, waiting.id)
    assert (decision.verdict, decision.value, decision.note) == (Verdict.APPROVE, None, "as agreed")


async def test_of_a_task_that_runs_nobody_is_told(desk: Desk):
    running = await desk.asked()
    assert (await desk.decide(running.task, {})).status is TaskStatus.RUNNING
    await desk.announcer.close()
    assert not desk.queue._broker.tickets


@pytest.mark.parametrize(
    ("about", "body", "reason"),
    [
        ("approval", {"decision": "approve"}, "approved by alice: refund"),
        ("approval", {"decision": "approve", "value": {"order": 8}}, "approved by alice with other arguments: refund"),
        ("approval", {"decision": "deny", "note": "too much"}, "denied by alice: refund"),
        ("input", {"decision": "done", "value": [1]}, "answered by alice: refund"),
        ("input", {"decision": "not_done"}, "not done, says alice: refund"),
        ("effect", {"decision": "done"}, "done, says alice: refund"),
        ("effect", {"decision": "not_done"}, "not done, says alice: refund"),
    ],
)
async def test_why_it_goes_on_stands_on_the_task(desk: Desk, about: str, body: dict[str, Any], reason: str):
    waiting = await desk.waiting(about)
    await desk.stores.pass_time(1000)
    assert (await desk.decide(waiting, body)).reason == reason


async def test_an_operator_decides_about_anybodys_task_and_that_is_recorded(desk: Desk):
    waiting = await desk.waiting()
    task = await desk.decide(waiting, {"decision": "deny", "note": "no"}, by=OPERATOR)
    assert (task.principal.user, task.reason) == ("alice", "denied by olga: refund")
    (action,) = await desk.stores.actions.list(OPERATOR, waiting.id)
    assert action.target.detail == {"call_id": REFUND, "tool": "refund", "decision": "deny"}
    assert action.note == "no"


@pytest.mark.parametrize(
    ("value", "shown"),
    [({"order": 8}, {"value": {"order": 8}}), ({"order": "8" * 20_000}, {"value_bytes": 20_012})],
)
async def test_what_an_operator_changed_in_a_call_is_recorded(desk: Desk, value: Any, shown: dict[str, Any]):
    waiting = await desk.waiting()
    await desk.decide(waiting, {"value": value}, by=OPERATOR)
    (action,) = await desk.stores.actions.list(OPERATOR, waiting.id)
    assert action.target.detail == {"call_id": REFUND, "tool": "refund", "decision": "approve"} | shown


async def test_to_others_the_task_is_not_there(desk: Desk):
    waiting = await desk.waiting()
    with pytest.raises(NotFound):
        await desk.decide(waiting, {}, by=BOB)


async def test_the_same_once_more_is_answered_also_when_the_call_has_its_result(desk: Desk):
    waiting = await desk.waiting()
    await desk.decide(waiting, {"value": {"order": 8, "reason": "broken"}})
    claimed = await claim_one(desk.stores)
    await desk.write(claimed, REFUND, EntryKind.TOOL)
    ended = (await settle(desk.stores, claimed)).task
    assert await desk.decide(waiting, {"value": {"reason": "broken", "order": 8}, "note": "once more"}) == ended
    words = "alice has decided approve with another value already, and that stands"
    await desk.refused(DecidedBefore, words, ended, value={"order": 9})
    await desk.refused(DecidedBefore, "alice has decided approve already", ended, decision="deny")
    await desk.refused(NotPending, "the task is succeeded, and nobody is asked", ended, decision="done")


async def test_the_same_once_more_is_answered_also_while_the_call_runs(desk: Desk):
    waiting = await desk.waiting()
    await desk.decide(waiting, {})
    claimed = await claim_one(desk.stores)
    await desk.write(claimed, "s1:c1", EntryKind.STARTED)
    assert (await desk.decide(waiting, {})).status is TaskStatus.RUNNING
    await desk.refused(DecidedBefore, "alice has decided approve already", waiting, decision="deny")


# What can't be decided


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ({"call_id": None}, InvalidRequest, "call_id must be that of a call in the task's waiting_for"),
        ({"call_id": ""}, InvalidRequest, "call_id must be"),
        ({"call_id": 3}, InvalidRequest, "call_id must be"),
        ({"call_id": "t" * 10_001}, InvalidRequest, "call_id must be"),
        ({"decision": None}, InvalidRequest, "decision must be one of approve, deny, done, not_done, not 'None'"),
        ({"decision": "yes"}, InvalidRequest, "not 'yes'"),
        ({"decision": ["approve"]}, InvalidRequest, "decision must be one of"),
        ({"verdict": "approve"}, InvalidRequest, "unknown field 'verdict'; there are call_id, decision, value, note"),
        ({"decision": "deny", "value": "no"}, InvalidRequest, "belongs into note"),
        ({"decision": "not_done", "value": {}}, InvalidRequest, "value goes with approve"),
        ({"value": [1]}, InvalidRequest, "value must be an object with all arguments of the call"),
        ({"value": "order 8"}, InvalidRequest, "value must be an object"),
        ({"value": {"cents": 8}}, InvalidRequest, "all arguments of refund, and it lacks 'order': say what"),
        ({"note": "n" * 1001}, InvalidRequest, "note must be text of at most 1,000 characters"),
        ({"note": 7}, InvalidRequest, "note must be text"),
        ({"note": "a\0b"}, InvalidRequest, "without NUL"),
        ({"value": {"text": "x" * 1_000_000}}, InputTooLarge, "value is larger than 1,000,000 bytes"),
        ({"value": {"a": orjson.loads(b"[" * 101 + b"]" * 101)}}, InvalidRequest, "deeper than 100 levels"),
        ({"value": {"a": orjson.loads(b"[" * 500 + b"]" * 500)}}, InvalidRequest, "deeper than 100 levels"),
    ],
)
async def test_what_is_wrong_with_the_order_is_said(
    desk: Desk, body: dict[str, Any], kind: type[RoadworthyError], words: str
):
    await desk.refused(kind, re.escape(words), await desk.waiting(), **body)


@pytest.mark.parametrize(
    ("about", "decision", "words"),
    [
        ("approval", "done", "the question is whether refund may be called: answer approve or deny, not done"),
        ("approval", "not_done", "answer approve or deny"),
        ("effect", "approve", "refund was started, and the question is whether it happened: answer done, "),
        ("effect", "deny", "or not_done, not deny"),
        ("input", "approve", "refund waits for its result: answer done, with the result as value, or not_done"),
        ("input", "deny", "or not_done, not deny"),
    ],
)
async def test_an_answer_to_another_question_is_refused(desk: Desk, about: str, decision: str, words: str):
    await desk.refused(InvalidRequest, words, await desk.waiting(about), decision=decision)


async def test_a_call_that_the_task_has_not_is_not_found_and_those_that_wait_are_named(desk: Desk):
    running = await desk.asked()
    for number in range(2, 8):
        await desk.write(running, f"w1:c{number}", EntryKind.ASKED, about="approval", tool="mail")
    task = (await settle(desk.stores, running, TaskStatus.WAITING)).task
    words = (
        "the task has no call 't9:c9'; it waits for decisions about t1:c1 (refund, approval), t1:c2 (mail, approval), "
        "t1:c3 (mail, approval), t1:c4 (mail, approval), t1:c5 (mail, approval) and 2 more"
    )
    await desk.refused(NotFound, re.escape(words), task, call_id="t9:c9")


async def test_a_call_that_has_its_result_waits_no_longer(desk: Desk):
    running = await desk.asked()
    await desk.write(running, REFUND, EntryKind.TOOL)
    await desk.refused(NotPending, "the task is running, and nobody is asked about any call of it", running.task)


async def test_a_task_that_has_ended_takes_no_decision(desk: Desk):
    ended = (await settle(desk.stores, await desk.asked(), TaskStatus.DEAD)).task
    await desk.refused(NotPending, "the task is dead, .* an operator may resume it", ended)


@pytest.mark.parametrize(("known", "seconds"), [({"seconds": 5}, 5), ({}, 30)])
async def test_an_effect_is_decided_once_the_call_can_no_longer_be_running(
    desk: Desk, known: dict[str, Any], seconds: float
):
    """A call that an earlier release started does not say how long it may take."""
    waiting = await desk.waiting("effect", **known)
    error = await desk.refused(DecisionTooSoon, f"for {seconds + LEASE_SECONDS} s", waiting, decision="not_done")
    assert isinstance(error, DecisionTooSoon)
    assert error.retry_after == pytest.approx(seconds + LEASE_SECONDS)
    await desk.stores.pass_time(error.retry_after - 0.5)
    await desk.refused(DecisionTooSoon, "for 1 s", waiting, decision="not_done")
    await desk.stores.pass_time(0.5)
    assert (await desk.decide(waiting, {"decision": "not_done"})).status is TaskStatus.QUEUED


async def test_what_may_be_called_is_decided_at_once(desk: Desk):
    assert (await desk.decide(await desk.waiting(seconds=1000), {})).status is TaskStatus.QUEUED


# What is asked


async def test_a_task_that_waits_says_for_what(desk: Desk):
    waiting = await desk.waiting(error="503: try later")
    entry = (await desk.stores.journal.read(ALICE, waiting.id))[0]
    assert await desk.pending.of_task(waiting) == [
        {
            "call_id": REFUND,
            "about": "approval",
            "tool": "refund",
            "arguments": {"order": 7},
            "since": entry.at,
            "attempt": 1,
            "words": "more than 100",
            "error": "503: try later",
            "idempotency_key": None,
            "opens_at": None,
        }
    ]


async def test_an_effect_says_from_when_on_it_may_be_decided(desk: Desk):
    (shown,) = await desk.pending.of_task(await desk.waiting("effect", seconds=5))
    assert (shown["about"], shown["opens_at"]) == ("effect", shown["since"] + 5 + LEASE_SECONDS)


async def test_what_is_decided_waits_no_longer_until_its_effect_is_unknown(desk: Desk):
    waiting = await desk.waiting()
    await desk.decide(waiting, {})
    claimed = await claim_one(desk.stores)
    parked = await park_for_mismatch(desk.stores, claimed)
    assert await desk.pending.of_task(parked) == []
    await desk.decide(waiting, {})
    claimed = await claim_one(desk.stores)
    await desk.write(claimed, "s1:c1", EntryKind.STARTED)
    unknown = (await settle(desk.stores, claimed, TaskStatus.WAITING)).task
    (shown,) = await desk.pending.of_task(unknown)
    assert (shown["about"], shown["attempt"]) == ("effect", 3)


async def test_a_task_that_does_not_wait_waits_for_nothing(desk: Desk):
    running = await desk.asked()
    assert await desk.pending.of_task(running.task) == []


async def test_operators_see_what_everybody_waits_for_page_by_page(desk: Desk):
    waiting = [await desk.waiting() for _ in range(3)]
    page = await desk.pending.of_all(OPERATOR, 2)
    rest = await desk.pending.of_all(OPERATOR, 2, page.next_cursor)
    assert [one.task for one in (*page.items, *rest.items)] == waiting
    assert rest.next_cursor is None
    assert all(one.waiting_for[0]["call_id"] == REFUND for one in page.items)
    with pytest.raises(NotAllowed):
        await desk.pending.of_all(ALICE, 2)
    with pytest.raises(IllegalCursor):
        await desk.pending.of_all(OPERATOR, 2, "never given")
