"""What every `Decisions` must do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from roadworthy.domain.decision import PERMISSION, Decision, NewDecision, Verdict
from roadworthy.domain.errors import DecidedBefore, DecisionTooSoon, NotAllowed, NotFound, NotPending
from roadworthy.domain.event import changed_number
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.limits import Limits
from roadworthy.domain.operator_action import ActionKind
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import LIFE_ENDS, Claimed, Task, TaskStatus
from roadworthy.ports.dead_letters import Resumed
from roadworthy.ports.decisions import Decided
from roadworthy.testing.conformance.dead_letters import resume_of
from roadworthy.testing.conformance.lanes import park_for_mismatch
from roadworthy.testing.conformance.scenario import (
    ALICE,
    BOB,
    LANE,
    STRANGERS,
    claim_one,
    end_of,
    entry,
    lose_worker,
    register,
    rising_id,
    run_one,
    settle,
    statuses,
    submit_one,
)
from roadworthy.testing.conformance.stores import Stores

OPERATOR = Principal("elsewhere", "olga", frozenset({"operator"}))
CALL, OTHER_CALL = "t1:refund", "t1:mail"
ASKED = b'{"about": "approval", "tool": "refund", "arguments": {"order": 7}}'
UNKNOWN = b'{"code": "effect_unknown", "message": "look whether it happened"}'
MEANWHILE = "somebody decided about one of its calls before it could wait"


class DecideContract:
    async def test_a_task_that_waits_is_queued_and_keeps_what_was_decided(self, stores: Stores):
        waiting = await wait_for_decision(stores, error=UNKNOWN)
        new = decision(value=b'{"order": 8}', note="8, not 7", reason="approved by alice: refund")
        decided = await stores.decisions.decide(ALICE, waiting.id, new, None)
        task = await stores.tasks.find(ALICE, waiting.id)
        kept = Decision(CALL, Verdict.APPROVE, b'{"order": 8}', "8, not 7", "acme", "alice", decided.decision.at)
        assert decided == Decided(kept, task)
        assert (task.status, task.reason, task.error) == (TaskStatus.QUEUED, "approved by alice: refund", None)
        assert task.changes[-1].number == changed_number(1, 1, 3, TaskStatus.QUEUED)
        assert decided.decision.at == pytest.approx(task.changes[-1].at, abs=1)
        assert await stores.decisions.of_task(ALICE, waiting.id) == [kept]
        again = await claim_one(stores)
        assert (again.task.id, again.task.attempt) == (waiting.id, 2)

    @pytest.mark.parametrize("verdict", Verdict)
    async def test_every_verdict_is_kept_as_it_was_given(self, stores: Stores, verdict: Verdict):
        waiting = await wait_for_decision(stores)
        await stores.decisions.decide(
            ALICE, waiting.id, decision(verdict, value=b"[1]", note="\u00e4 \U0001f600"), None
        )
        (kept,) = await stores.decisions.of_task(ALICE, waiting.id)
        assert (kept.verdict, kept.value, kept.note) == (verdict, b"[1]", "\u00e4 \U0001f600")

    async def test_calls_are_decided_one_by_one_in_any_order(self, stores: Stores):
        waiting = await wait_for_decision(stores, CALL, OTHER_CALL)
        await decide(stores, waiting, Verdict.DENY, OTHER_CALL)
        again = await claim_one(stores)
        assert [one.call_id for one in await stores.decisions.of_task(ALICE, waiting.id)] == [OTHER_CALL]
        await settle(stores, again, TaskStatus.WAITING)
        await decide(stores, waiting, Verdict.APPROVE, CALL)
        assert (await claim_one(stores)).task.attempt == 3
        assert [one.call_id for one in await stores.decisions.of_task(ALICE, waiting.id)] == [OTHER_CALL, CALL]

    async def test_a_call_that_was_allowed_and_did_not_come_back_is_decided_once_more(self, stores: Stores):
        waiting = await wait_for_decision(stores)
        await decide(stores, waiting, Verdict.APPROVE)
        await settle(stores, await claim_one(stores), TaskStatus.WAITING)
        decided = await decide(stores, waiting, Verdict.NOT_DONE)
        assert decided.task.status is TaskStatus.QUEUED
        verdicts = [one.verdict for one in await stores.decisions.of_task(ALICE, waiting.id)]
        assert verdicts == [Verdict.APPROVE, Verdict.NOT_DONE]

    async def test_the_same_once_more_is_the_same_decision(self, stores: Stores):
        waiting = await wait_for_decision(stores)
        first = await stores.decisions.decide(OPERATOR, waiting.id, decision(value=b"{}", by=OPERATOR), None)
        again = await stores.decisions.decide(ALICE, waiting.id, decision(value=b"{}", note="me too"), None)
        assert again == first
        assert await stores.decisions.of_task(ALICE, waiting.id) == [first.decision]
        assert len(await stores.actions.list(OPERATOR, waiting.id)) == 1

    async def test_the_same_once_more_is_no_error_after_all_is_over(self, stores: Stores):
        waiting = await wait_for_decision(stores)
        first = await decide(stores, waiting)
        again = await claim_one(stores)
        await stores.journal.append([entry(again, CALL, kind=EntryKind.TOOL)])
        ended = (await settle(stores, again)).task
        assert await decide(stores, waiting) == Decided(first.decision, ended)

    async def test_said_again_it_helps_a_task_that_waits_although_it_was_decided(self, stores: Stores):
        waiting = await wait_for_decision(stores)
        first = await decide(stores, waiting)
        await settle(stores, await claim_one(stores), TaskStatus.WAITING)
        again = await decide(stores, waiting)
        assert (again.decision, again.task.status) == (first.decision, TaskStatus.QUEUED)
        found = await claim_one(stores)
        await stores.journal.append([entry(found, CALL, kind=EntryKind.TOOL)])
        await settle(stores, found, TaskStatus.WAITING)
        assert (await decide(stores, waiting)).task.status is TaskStatus.WAITING

    @pytest.mark.parametrize(
        ("verdict", "value"), [(Verdict.DENY, None), (Verdict.APPROVE, b"[2]"), (Verdict.APPROVE, None)]
    )
    async def test_nobody_decides_otherwise_afterwards(self, stores: Stores, verdict: Verdict, value: bytes | None):
        waiting = await wait_for_decision(stores)
        first = await stores.decisions.decide(ALICE, waiting.id, decision(value=b"[1]"), None)
        with pytest.raises(DecidedBefore, match="alice has decided approve"):
            await stores.decisions.decide(OPERATOR, waiting.id, decision(verdict, value=value, by=OPERATOR), None)
        assert await stores.decisions.of_task(ALICE, waiting.id) == [first.decision]
        assert await stores.actions.list(OPERATOR) == []

    async def test_of_two_decisions_at_once_one_stands(self, stores: Stores):
        for _ in range(4):
            waiting = await wait_for_decision(stores)
            answers = await asyncio.gather(
                *(decide(stores, waiting, verdict) for verdict in sorted(PERMISSION)), return_exceptions=True
            )
            (kept,) = await stores.decisions.of_task(ALICE, waiting.id)
            assert [each.decision for each in answers if isinstance(each, Decided)] == [kept]
            assert sum(isinstance(each, DecidedBefore) for each in answers) == 1
            await settle(stores, await claim_one(stores))

    async def test_the_same_twice_at_once_is_one_decision(self, stores: Stores):
        waiting = await wait_for_decision(stores)
        first, second = await asyncio.gather(decide(stores, waiting), decide(stores, waiting))
        assert first.decision == second.decision
        assert statuses((await claim_one(stores)).task)[2:] == [
            TaskStatus.WAITING,
            TaskStatus.QUEUED,
            TaskStatus.RUNNING,
        ]

    async def test_failures_stay_what_they_are(self, stores: Stores):
        await settle(stores, await run_one(stores), TaskStatus.QUEUED, counts_as_failure=True)
        waiting = (await settle(stores, await claim_one(stores), TaskStatus.WAITING)).task
        assert (await decide(stores, waiting)).task.failures == waiting.failures == 1

    async def test_its_session_stays_with_it(self, stores: Stores):
        waiting = await wait_for_decision(stores)
        behind = await submit_one(stores, session_id=waiting.session_id)
        await decide(stores, waiting)
        assert (await stores.tasks.find(ALICE, behind.id)).status is TaskStatus.BLOCKED
        ended = await settle(stores, await claim_one(stores))
        assert ended.released is not None
        assert ended.released.id == behind.id

    async def test_its_time_to_wait_for_a_worker_begins(self, stores: Stores):
        waiting = await wait_for_decision(stores, limits=Limits(waiting_seconds=0.2, queue_seconds=0.5))
        await decide(stores, waiting)
        await stores.pass_time(0.25)
        assert await stores.upkeep.expire_tasks(10) == []
        await stores.pass_time(0.3)
        assert [task.id for task in await stores.upkeep.expire_tasks(10)] == [waiting.id]

    async def test_it_queues_behind_what_its_owner_had_queued_before(self, stores: Stores):
        waiting = await wait_for_decision(stores)
        before = [await submit_one(stores) for _ in range(2)]
        of_bob = await submit_one(stores, BOB)
        await decide(stores, waiting)
        order = [(await claim_one(stores)).task.id for _ in range(4)]
        assert order.index(of_bob.id) < 2
        assert [task_id for task_id in order if task_id != of_bob.id] == [before[0].id, before[1].id, waiting.id]


class DecideWhileItRunsContract:
    async def test_a_task_that_is_about_to_wait_goes_on_instead(self, stores: Stores):
        running = await ask_and_run(stores)
        decided = await decide(stores, running.task)
        assert decided.task == await stores.tasks.find(ALICE, running.task.id)
        assert decided.task.status is TaskStatus.RUNNING
        settled = await settle(stores, running, TaskStatus.WAITING, reason="wait", error=UNKNOWN, running_seconds=2)
        assert settled.task == await stores.tasks.find(ALICE, running.task.id)
        assert (settled.task.status, settled.task.reason) == (TaskStatus.QUEUED, MEANWHILE)
        assert (settled.task.error, settled.task.running_seconds, settled.task.failures) == (None, 2, 0)
        assert (await claim_one(stores)).task.attempt == 2

    async def test_that_happens_once(self, stores: Stores):
        """Else a task whose code never comes to the call that was decided would be started for ever."""
        running = await ask_and_run(stores)
        await decide(stores, running.task)
        await settle(stores, running, TaskStatus.WAITING)
        settled = await settle(stores, await claim_one(stores), TaskStatus.WAITING)
        assert settled.task.status is TaskStatus.WAITING

    async def test_what_was_decided_before_its_claim_does_not_keep_it_from_waiting(self, stores: Stores):
        running = await ask_and_run(stores)
        await settle(stores, running, TaskStatus.QUEUED)
        assert (await decide(stores, running.task)).task.status is TaskStatus.QUEUED
        settled = await settle(stores, await claim_one(stores), TaskStatus.WAITING)
        assert settled.task.status is TaskStatus.WAITING

    @pytest.mark.parametrize("status", [TaskStatus.SUCCEEDED, TaskStatus.PARTIAL, TaskStatus.DEAD])
    async def test_a_task_that_ends_ends(self, stores: Stores, status: TaskStatus):
        running = await ask_and_run(stores)
        await decide(stores, running.task)
        assert (await settle(stores, running, status, error=UNKNOWN)).task.status is status

    async def test_a_cancel_wins(self, stores: Stores):
        running = await ask_and_run(stores)
        await decide(stores, running.task)
        await stores.tasks.cancel(ALICE, running.task.id)
        settled = await settle(stores, running, TaskStatus.WAITING)
        assert (settled.task.status, settled.task.reason) == (TaskStatus.CANCELLED, "cancelled")

    async def test_it_outlives_the_worker(self, stores: Stores):
        worker_id = await register(stores)
        running = await run_one(stores, worker_id=worker_id)
        await ask(stores, running)
        await decide(stores, running.task)
        await lose_worker(stores, worker_id)
        settled = await settle(stores, await claim_one(stores), TaskStatus.WAITING)
        assert settled.task.status is TaskStatus.WAITING
        assert len(await stores.decisions.of_task(ALICE, running.task.id)) == 1

    async def test_of_many_that_settle_together_only_the_decided_ones_go_on(self, stores: Stores):
        running = [await ask_and_run(stores) for _ in range(5)]
        for each in (running[1], running[3]):
            await decide(stores, each.task)
        behind = await submit_one(stores, session_id=running[3].task.session_id)
        ends = [end_of(each, TaskStatus.WAITING) for each in running[:4]]
        await stores.tasks.settle([*ends, end_of(running[4])])
        found = [(await stores.tasks.find(ALICE, each.task.id)).status for each in running]
        waiting, queued, succeeded = TaskStatus.WAITING, TaskStatus.QUEUED, TaskStatus.SUCCEEDED
        assert found == [waiting, queued, waiting, queued, succeeded]
        assert (await stores.tasks.find(ALICE, behind.id)).status is TaskStatus.BLOCKED
        assert len(await stores.tasks.claim(await register(stores), [LANE], 10)) == 2

    async def test_it_queues_as_any_other_that_is_queued_again(self, stores: Stores):
        running = await ask_and_run(stores)
        before = [await submit_one(stores) for _ in range(2)]
        await decide(stores, running.task)
        await settle(stores, running, TaskStatus.WAITING)
        order = [(await claim_one(stores)).task.id for _ in range(3)]
        assert order == [before[0].id, before[1].id, running.task.id]

    async def test_repeating_such_a_settlement_answers_the_same(self, stores: Stores):
        running = await ask_and_run(stores)
        await decide(stores, running.task)
        first = await settle(stores, running, TaskStatus.WAITING)
        assert await settle(stores, running, TaskStatus.WAITING) == first

    async def test_however_deciding_and_waiting_fall_together_it_goes_on(self, stores: Stores):
        for _ in range(4):
            running = await ask_and_run(stores)
            await asyncio.gather(
                decide(stores, running.task), stores.tasks.settle([end_of(running, TaskStatus.WAITING)])
            )
            again = await claim_one(stores)
            assert again.task.id == running.task.id
            await settle(stores, again)


class WhoDecidesContract:
    async def test_to_strangers_the_task_is_not_there(self, stores: Stores):
        waiting = await wait_for_decision(stores)
        for stranger in STRANGERS:
            with pytest.raises(NotFound):
                await stores.decisions.decide(stranger, waiting.id, decision(by=stranger), None)
        with pytest.raises(NotFound):
            await stores.decisions.decide(OPERATOR, rising_id(), decision(by=OPERATOR), None)
        assert await stores.tasks.find(ALICE, waiting.id) == waiting
        await decide(stores, waiting)
        assert [await stores.decisions.of_task(stranger, waiting.id) for stranger in STRANGERS] == [[], []]

    async def test_an_operator_decides_for_anybody_and_that_is_recorded(self, stores: Stores):
        waiting = await wait_for_decision(stores)
        detail = {"call_id": CALL, "tool": "refund", "decision": "approve"}
        new = decision(by=OPERATOR, note="as agreed", detail=detail)
        decided = await stores.decisions.decide(OPERATOR, waiting.id, new, None)
        assert (decided.decision.by_tenant, decided.decision.by_user) == ("elsewhere", "olga")
        (action,) = await stores.actions.list(OPERATOR, waiting.id)
        assert (action.kind, action.note) == (ActionKind.DECIDE, "as agreed")
        assert (action.operator.tenant, action.operator.user) == ("elsewhere", "olga")
        assert (action.target.detail, action.target.lane) == (detail, LANE)

    async def test_of_ones_own_task_nothing_is_recorded_although_one_is_an_operator(self, stores: Stores):
        waiting = await wait_for_decision(stores)
        both = Principal(ALICE.tenant, ALICE.user, frozenset({"tasks", "operator"}))
        await stores.decisions.decide(both, waiting.id, decision(by=both), None)
        assert await stores.actions.list(OPERATOR) == []

    async def test_operators_find_anybodys_task(self, stores: Stores):
        waiting = await wait_for_decision(stores)
        assert await stores.decisions.find_any(OPERATOR, waiting.id) == waiting
        with pytest.raises(NotFound):
            await stores.decisions.find_any(OPERATOR, rising_id())
        with pytest.raises(NotAllowed):
            await stores.decisions.find_any(ALICE, waiting.id)

    async def test_operators_see_everybodys_tasks_that_wait_for_a_person(self, stores: Stores):
        waiting = [await wait_for_decision(stores, error=UNKNOWN), await wait_for_decision(stores, principal=BOB)]
        await park_for_mismatch(stores, await run_one(stores))
        await submit_one(stores)
        assert list(await stores.decisions.waiting(OPERATOR)) == waiting
        assert list(await stores.decisions.waiting(OPERATOR, 1)) == waiting[:1]
        assert list(await stores.decisions.waiting(OPERATOR, 1, waiting[0].id)) == waiting[1:]
        assert list(await stores.decisions.waiting(OPERATOR, 1, waiting[1].id)) == []
        with pytest.raises(NotAllowed):
            await stores.decisions.waiting(ALICE)


class NothingToDecideContract:
    @pytest.mark.parametrize("status", sorted(LIFE_ENDS - {TaskStatus.DISCARDED, TaskStatus.EXPIRED}))
    async def test_a_task_that_has_ended(self, stores: Stores, status: TaskStatus):
        running = await ask_and_run(stores)
        ended = (await settle(stores, running, status, error=UNKNOWN)).task
        with pytest.raises(NotPending, match=f"the task is {status}"):
            await decide(stores, ended)
        assert await stores.tasks.find(ALICE, ended.id) == ended
        assert await stores.decisions.of_task(ALICE, ended.id) == []

    async def test_a_task_that_nobody_decided_in_time(self, stores: Stores):
        waiting = await wait_for_decision(stores, limits=Limits(waiting_seconds=0.05))
        await stores.eventually(lambda: stores.upkeep.expire_tasks(10))
        with pytest.raises(NotPending, match="the task is expired"):
            await decide(stores, waiting)

    async def test_a_call_that_has_its_result(self, stores: Stores):
        running = await ask_and_run(stores)
        await stores.journal.append([entry(running, CALL, kind=EntryKind.TOOL)])
        waiting = (await settle(stores, running, TaskStatus.WAITING)).task
        with pytest.raises(NotPending, match="has its result"):
            await decide(stores, waiting)
        assert await stores.tasks.find(ALICE, waiting.id) == waiting

    async def test_a_call_of_before_the_task_was_started_over(self, stores: Stores):
        dead = (await settle(stores, await ask_and_run(stores), TaskStatus.DEAD)).task
        await stores.dead.resume(OPERATOR, replace(resume_of(dead), from_start=True))
        await settle(stores, await claim_one(stores), TaskStatus.WAITING)
        with pytest.raises(NotPending, match="started over"):
            await decide(stores, dead)
        assert (await decide(stores, dead, call_id=f"1/{CALL}")).task.status is TaskStatus.QUEUED

    async def test_a_call_that_may_still_be_running(self, stores: Stores):
        waiting = await wait_for_decision(stores)
        opens_at = waiting.changes[-1].at + 0.2
        with pytest.raises(DecisionTooSoon) as refused:
            await stores.decisions.decide(ALICE, waiting.id, decision(Verdict.DONE), opens_at)
        assert 0 < refused.value.retry_after < 0.21
        assert await stores.tasks.find(ALICE, waiting.id) == waiting
        await stores.pass_time(refused.value.retry_after + 0.01)
        decided = await stores.decisions.decide(ALICE, waiting.id, decision(Verdict.DONE), opens_at)
        assert decided.task.status is TaskStatus.QUEUED

    async def test_what_was_decided_outlives_the_death_of_its_task(self, stores: Stores):
        waiting = await wait_for_decision(stores)
        decided = await decide(stores, waiting)
        dead = (await settle(stores, await claim_one(stores), TaskStatus.DEAD)).task
        assert isinstance(await stores.dead.resume(OPERATOR, resume_of(dead)), Resumed)
        again = await claim_one(stores)
        assert await stores.decisions.of_task(ALICE, again.task.id) == [decided.decision]

    async def test_decisions_go_with_their_session(self, stores: Stores):
        waiting = await wait_for_decision(stores)
        await decide(stores, waiting)
        await settle(stores, await claim_one(stores))
        await stores.sessions.delete(ALICE, waiting.session_id)
        assert await stores.decisions.of_task(ALICE, waiting.id) == []
        with pytest.raises(NotFound):
            await decide(stores, waiting)


def decision(
    verdict: Verdict = Verdict.APPROVE, call_id: str = CALL, by: Principal = ALICE, **others: Any
) -> NewDecision:
    fields: dict[str, Any] = {"value": None, "note": None, "reason": "decided"}
    return NewDecision(call_id, verdict, by=by, **(fields | others))


async def decide(stores: Stores, task: Task, verdict: Verdict = Verdict.APPROVE, call_id: str = CALL) -> Decided:
    """As the task's owner, without more words."""
    return await stores.decisions.decide(task.principal, task.id, decision(verdict, call_id, task.principal), None)


async def ask(stores: Stores, claimed: Claimed, *keys: str) -> None:
    """Write down that people are asked about these calls."""
    await stores.journal.append([entry(claimed, f"w{key[1:]}", ASKED, EntryKind.ASKED) for key in keys or (CALL,)])


async def ask_and_run(stores: Stores, *keys: str, **others: Any) -> Claimed:
    """A task that runs on although people are asked about calls of it; no other may be claimable."""
    claimed = await run_one(stores, **others)
    await ask(stores, claimed, *keys)
    return claimed


async def wait_for_decision(stores: Stores, *keys: str, error: bytes | None = None, **others: Any) -> Task:
    """A task that waits for decisions about these calls; no other may be claimable."""
    claimed = await ask_and_run(stores, *keys, **others)
    return (await settle(stores, claimed, TaskStatus.WAITING, error=error)).task
