"""What every `DeadLetters` must do."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from roadworthy.domain.errors import NotAllowed, NotFound
from roadworthy.domain.event import changed_number
from roadworthy.domain.limits import Limits
from roadworthy.domain.operator_action import ActionKind
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import LIFE_ENDS, Task, TaskStatus
from roadworthy.ports.dead_letters import (
    ChangedMeanwhile,
    DeadCount,
    DeadFilter,
    Discard,
    Discarded,
    Resume,
    Resumed,
)
from roadworthy.ports.task_store import Settled, SettleRefused
from roadworthy.testing.conformance.scenario import (
    ALICE,
    BOB,
    LANE,
    claim_one,
    end_of,
    entry,
    register,
    rising_id,
    run_one,
    settle,
    statuses,
    submit_one,
    turn,
)
from roadworthy.testing.conformance.stores import Stores

OPERATOR = Principal("acme", "olga", frozenset({"operator"}))
OTHER_OPERATOR = Principal("elsewhere", "omar", frozenset({"operator"}))
REFUSED = b'{"code":"authentication_failed","message":"the provider did not accept the key","step":2}'
LOST = b'{"code": "lease_lost", "message": "its worker was lost"}'
CRASHED = b'{"code": "agent_failed", "message": "\\"code\\": \\"never_this\\" \\u0000"}'


class ReadDeadLettersContract:
    async def test_the_list_has_every_tenants_dead_tasks_newest_first_and_no_others(self, stores: Stores):
        dead = [await die(stores, principal) for principal in (ALICE, BOB, Principal("rival", "eve"))]
        await settle(stores, await run_one(stores), TaskStatus.SUCCEEDED)
        await submit_one(stores)
        assert list(await stores.dead.list(OPERATOR, DeadFilter())) == dead[::-1]
        assert list(await stores.dead.list(OPERATOR, DeadFilter(), oldest_first=True)) == dead

    @pytest.mark.parametrize("oldest_first", [False, True])
    async def test_pages_follow_each_other_without_gap_or_repeat(self, stores: Stores, oldest_first: bool):
        dead = [(await die(stores)).id for _ in range(5)]
        seen: list[Any] = []
        while page := await stores.dead.list(
            OPERATOR, DeadFilter(), 2, seen[-1] if seen else None, oldest_first=oldest_first
        ):
            seen += [task.id for task in page]
        assert seen == (dead if oldest_first else dead[::-1])

    async def test_filters(self, stores: Stores):
        one = await die(stores, error=REFUSED)
        two = await die(stores, BOB, version="2", error=CRASHED)
        three = await die(stores, Principal("rival", "alice"), agent="sales")
        for wanted, filter in (
            ([one, two], DeadFilter(agent="support")),
            ([two], DeadFilter(version="2")),
            ([one], DeadFilter(code="authentication_failed")),
            ([two], DeadFilter(code="agent_failed")),
            ([], DeadFilter(code="never_this")),
            ([one, two], DeadFilter(tenant="acme")),
            ([one, three], DeadFilter(user="alice")),
            ([three], DeadFilter(tenant="rival", user="alice")),
            ([], DeadFilter(agent="sales", version="2")),
        ):
            assert list(await stores.dead.list(OPERATOR, filter, oldest_first=True)) == wanted, filter

    async def test_the_time_of_death_from_including_and_until_excluding(self, stores: Stores):
        first = await die(stores)
        await stores.pass_time(0.02)
        second = await die(stores)
        assert second.ended_at is not None
        until = await stores.dead.list(OPERATOR, DeadFilter(until=second.ended_at))
        since = await stores.dead.list(OPERATOR, DeadFilter(since=second.ended_at))
        assert ([task.id for task in until], [task.id for task in since]) == ([first.id], [second.id])

    async def test_counts_are_by_lane_and_code_the_most_frequent_first(self, stores: Stores):
        for _ in range(2):
            await die(stores, error=REFUSED)
        await die(stores)
        await die(stores, version="2", error=CRASHED)
        assert list(await stores.dead.count(OPERATOR, DeadFilter())) == [
            DeadCount("support", "1", "authentication_failed", 2),
            DeadCount("support", "1", "lease_lost", 1),
            DeadCount("support", "2", "agent_failed", 1),
        ]
        assert list(await stores.dead.count(OPERATOR, DeadFilter(version="2", code="lease_lost"))) == []

    async def test_any_task_is_found_whether_it_is_dead_or_not(self, stores: Stores):
        dead = await die(stores)
        assert await stores.dead.find(OPERATOR, dead.id) == dead
        resumed = await stores.dead.resume(OPERATOR, resume_of(dead))
        assert isinstance(resumed, Resumed)
        assert await stores.dead.find(OPERATOR, dead.id) == resumed.task
        alive = await submit_one(stores)
        assert await stores.dead.find(OPERATOR, alive.id) == alive
        with pytest.raises(NotFound):
            await stores.dead.find(OPERATOR, rising_id())

    async def test_only_operators_get_anything(self, stores: Stores):
        dead = await die(stores)
        for call in (
            stores.dead.list(ALICE, DeadFilter()),
            stores.dead.count(ALICE, DeadFilter()),
            stores.dead.find(ALICE, dead.id),
            stores.dead.resume(ALICE, resume_of(dead)),
            stores.dead.discard(ALICE, discard_of(dead)),
            stores.actions.list(ALICE),
        ):
            with pytest.raises(NotAllowed, match="operator"):
                await call
        assert await stores.dead.find(OPERATOR, dead.id) == dead
        assert await stores.actions.list(OPERATOR) == []


class ResumeContract:
    async def test_a_resumed_task_is_queued_as_a_new_life_of_the_same_journal(self, stores: Stores):
        dead = await die(stores, entries=("input", "m1"), error=REFUSED, counts_as_failure=True, running_seconds=3)
        assert (dead.failures, dead.ended_at is None) == (1, False)
        outcome = await stores.dead.resume(OPERATOR, resume_of(dead, reason="resumed by olga"))
        assert outcome == Resumed(await stores.tasks.find(ALICE, dead.id), None, served=True)
        task = outcome.task
        assert (task.status, task.reason, task.error, task.ended_at) == (
            TaskStatus.QUEUED,
            "resumed by olga",
            None,
            None,
        )
        assert (task.failures, task.generation, task.attempt, task.running_seconds) == (0, 0, 1, 3)
        assert statuses(task)[-2:] == [TaskStatus.DEAD, TaskStatus.QUEUED]
        assert task.changes[-1].number == changed_number(2, 1, 3, TaskStatus.QUEUED) > dead.changes[-1].number
        again = await claim_one(stores)
        assert (again.task.id, again.task.attempt) == (dead.id, 2)
        assert [each.key for each in await stores.journal.read(ALICE, dead.id)] == ["input", "m1"]

    async def test_input_limits_and_version_are_what_the_operator_says(self, stores: Stores):
        dead = await die(stores)
        limits = Limits(steps=99, cost_usd="7")
        order = replace(resume_of(dead), input="Once more", limits=limits, version="2")
        outcome = await stores.dead.resume(OPERATOR, order)
        assert isinstance(outcome, Resumed)
        task = await stores.tasks.find(ALICE, dead.id)
        assert (task.input, task.limits, task.version, task.lane) == ("Once more", limits, "2", "support@2")
        assert not outcome.served
        assert await stores.tasks.claim(await register(stores), [LANE], 10) == []
        worker_id = await register(stores, lanes=["support@2"])
        (claimed,) = await stores.tasks.claim(worker_id, ["support@2"], 10)
        assert claimed.task.id == dead.id

    @pytest.mark.parametrize("status", ["queued", "retrying", "blocked", "waiting"])
    async def test_one_that_waits_too_long_after_it_was_resumed_is_dead_again(self, stores: Stores, status: str):
        dead = await die(stores)
        running = await run_one(stores, session_id=dead.session_id) if status == "blocked" else None
        soon = Limits(queue_seconds=0.1, waiting_seconds=0.1)
        if status in ("retrying", "waiting"):
            soon = replace(soon, queue_seconds=60 if status == "waiting" else 0.5)
        resumed = await stores.dead.resume(OPERATOR, replace(resume_of(dead), limits=soon))
        assert isinstance(resumed, Resumed)
        if status == "waiting":
            await settle(stores, await claim_one(stores), TaskStatus.WAITING)
        if status == "retrying":
            await settle(stores, await claim_one(stores), TaskStatus.QUEUED, run_after_seconds=60)
        behind = None if running else await submit_one(stores, session_id=dead.session_id)
        again, *released = await stores.eventually(lambda: stores.upkeep.expire_tasks(10))
        assert again == await stores.tasks.find(ALICE, dead.id) == await stores.dead.find(OPERATOR, dead.id)
        assert (again.status, again.changes[-1].reason) == (TaskStatus.DEAD, again.reason)
        assert again.reason and again.reason.startswith("it was resumed, and then ")
        assert ("one that was started may have happened" in again.reason) is (status == "waiting")
        assert json.loads(again.error or b"") == {"code": "waited_too_long", "message": again.reason}
        assert again.ended_at == again.changes[-1].at
        assert [task.id for task in released] == ([behind.id] if behind else [])
        assert await stores.dead.list(OPERATOR, DeadFilter(code="waited_too_long")) == [again]
        if behind:
            await settle(stores, await claim_one(stores), TaskStatus.SUCCEEDED)
        if running:
            await settle(stores, running, TaskStatus.SUCCEEDED)
        assert isinstance(await stores.dead.resume(OPERATOR, replace(resume_of(again), limits=Limits())), Resumed)
        assert (await claim_one(stores)).task.id == dead.id

    async def test_a_person_may_still_cancel_what_was_resumed(self, stores: Stores):
        dead = await die(stores)
        await stores.dead.resume(OPERATOR, resume_of(dead))
        await stores.tasks.cancel(ALICE, dead.id)
        assert (await stores.tasks.find(ALICE, dead.id)).status is TaskStatus.CANCELLED

    async def test_from_the_start_is_a_new_generation_and_its_entries_follow_the_old_ones(self, stores: Stores):
        dead = await die(stores, entries=("input", "m1"), running_seconds=3, output=b'"so far"')
        outcome = await stores.dead.resume(OPERATOR, replace(resume_of(dead), from_start=True))
        assert isinstance(outcome, Resumed)
        assert (outcome.task.generation, outcome.task.running_seconds, outcome.task.output) == (1, 0, None)
        again = await claim_one(stores)
        assert again.task.generation == 1
        await stores.journal.append([entry(again, "1/input"), entry(again, "1/m1")])
        found = await stores.journal.read(ALICE, dead.id)
        assert [(each.sequence, each.generation, each.name) for each in found] == [
            (0, 0, "input"),
            (1, 0, "m1"),
            (2, 1, "input"),
            (3, 1, "m1"),
        ]

    async def test_time_to_wait_begins_anew(self, stores: Stores):
        dead = await die(stores, limits=Limits(queue_seconds=0.4))
        await stores.pass_time(0.5)
        await stores.dead.resume(OPERATOR, resume_of(dead))
        assert await stores.upkeep.expire_tasks(10) == []
        await stores.pass_time(0.5)
        assert [task.id for task in await stores.upkeep.expire_tasks(10)] == [dead.id]

    async def test_it_has_been_ready_only_since_then(self, stores: Stores):
        dead = await die(stores)
        await stores.pass_time(0.6)
        await stores.dead.resume(OPERATOR, replace(resume_of(dead), version="2"))
        (load,) = [load for load in await stores.lanes.loads() if load.lane == "support@2"]
        assert load.oldest_seconds < 0.5
        assert load.unserved_seconds < 0.5

    async def test_a_worker_that_takes_no_more_tasks_does_not_serve_it(self, stores: Stores):
        worker_id = await register(stores)
        dead = await settle(stores, await run_one(stores, worker_id=worker_id), TaskStatus.DEAD, error=LOST)
        await stores.workers.withdraw(worker_id)
        outcome = await stores.dead.resume(OPERATOR, resume_of(dead.task))
        assert isinstance(outcome, Resumed)
        assert not outcome.served

    async def test_behind_what_its_session_has_now_it_is_blocked(self, stores: Stores):
        dead = await die(stores)
        running = await run_one(stores, session_id=dead.session_id)
        behind = await submit_one(stores, session_id=dead.session_id)
        outcome = await stores.dead.resume(OPERATOR, resume_of(dead))
        assert isinstance(outcome, Resumed)
        assert (outcome.task.status, outcome.released) == (TaskStatus.BLOCKED, None)
        later = await submit_one(stores, session_id=dead.session_id)
        order = [behind.id, dead.id, later.id]
        for task_id in order:
            released = (await settle(stores, running, turn=turn("said"))).released
            assert released is not None
            assert released.id == task_id
            running = await claim_one(stores)
        assert (await settle(stores, running, turn=turn("said"))).released is None
        assert (await stores.sessions.find(ALICE, dead.session_id)).turns == 4

    async def test_who_repeats_a_settlement_is_told_that_it_goes_on(self, stores: Stores):
        dead = await die(stores)
        running = await run_one(stores, session_id=dead.session_id)
        await stores.dead.resume(OPERATOR, resume_of(dead))
        first = await stores.tasks.settle([end_of(running)])
        assert isinstance(first[0], Settled)
        assert first[0].released is not None
        assert first[0].released.id == dead.id
        assert await stores.tasks.settle([end_of(running)]) == first

    async def test_many_of_one_session_go_on_one_after_the_other(self, stores: Stores):
        first = await die(stores)
        dead = [first, *[await die(stores, session_id=first.session_id) for _ in range(3)]]
        outcomes = [await stores.dead.resume(OPERATOR, resume_of(task)) for task in dead]
        found = [outcome.task.status for outcome in outcomes]
        assert found == [TaskStatus.QUEUED, *[TaskStatus.BLOCKED] * 3]
        for task in dead:
            claimed = await claim_one(stores)
            assert claimed.task.id == task.id
            await settle(stores, claimed)

    async def test_two_operators_at_once_resume_a_task_once(self, stores: Stores):
        dead = await die(stores)
        operators = (OPERATOR, OTHER_OPERATOR) * 3
        outcomes = await asyncio.gather(*(stores.dead.resume(each, resume_of(dead)) for each in operators))
        assert sum(isinstance(outcome, Resumed) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, ChangedMeanwhile) for outcome in outcomes) == 5
        assert statuses(await stores.tasks.find(ALICE, dead.id))[-2:] == [TaskStatus.DEAD, TaskStatus.QUEUED]
        assert len(await stores.actions.list(OPERATOR)) == 1

    async def test_many_of_one_session_resumed_at_once_never_hold_it_together(self, stores: Stores):
        first = await die(stores)
        dead = [first, *[await die(stores, session_id=first.session_id) for _ in range(4)]]
        outcomes = await asyncio.gather(*(stores.dead.resume(OPERATOR, resume_of(task)) for task in dead))
        assert sorted(outcome.task.status for outcome in outcomes) == ["blocked"] * 4 + ["queued"]

    async def test_one_that_died_again_since_it_was_seen_is_left_alone(self, stores: Stores):
        seen = await die(stores)
        await stores.dead.resume(OPERATOR, resume_of(seen))
        again = (await settle(stores, await claim_one(stores), TaskStatus.DEAD)).task
        assert await stores.dead.resume(OPERATOR, resume_of(seen)) == ChangedMeanwhile(again)
        assert await stores.dead.discard(OPERATOR, discard_of(seen)) == ChangedMeanwhile(again)
        assert isinstance(await stores.dead.resume(OPERATOR, resume_of(again)), Resumed)

    async def test_the_attempt_that_died_has_nothing_to_say_any_more(self, stores: Stores):
        claimed = await run_one(stores)
        dead = (await settle(stores, claimed, TaskStatus.DEAD)).task
        await stores.dead.resume(OPERATOR, resume_of(dead))
        assert await stores.tasks.settle([end_of(claimed, TaskStatus.DEAD)]) == [SettleRefused()]
        assert (await stores.tasks.find(ALICE, dead.id)).status is TaskStatus.QUEUED

    async def test_one_whose_session_was_deleted_is_not_there(self, stores: Stores):
        dead = await die(stores)
        await stores.sessions.delete(ALICE, dead.session_id)
        for call in (
            stores.dead.resume(OPERATOR, resume_of(dead)),
            stores.dead.discard(OPERATOR, discard_of(dead)),
            stores.dead.find(OPERATOR, dead.id),
        ):
            with pytest.raises(NotFound):
                await call
        assert await stores.actions.list(OPERATOR) == []


class DiscardContract:
    async def test_a_discarded_task_has_ended_for_good(self, stores: Stores):
        dead = await die(stores, error=REFUSED)
        outcome = await stores.dead.discard(OPERATOR, discard_of(dead, reason="discarded by olga"))
        assert outcome == Discarded(await stores.tasks.find(ALICE, dead.id))
        task = outcome.task
        assert (task.status, task.reason, task.error) == (TaskStatus.DISCARDED, "discarded by olga", REFUSED)
        assert TaskStatus.DISCARDED in LIFE_ENDS
        assert task.changes[-1].number > dead.changes[-1].number
        assert await stores.dead.list(OPERATOR, DeadFilter()) == []
        assert await stores.dead.resume(OPERATOR, resume_of(task)) == ChangedMeanwhile(task)
        assert await stores.dead.find(OPERATOR, dead.id) == task

    async def test_of_a_resume_and_a_discard_at_once_one_is_carried_out(self, stores: Stores):
        dead = [await die(stores) for _ in range(6)]
        for task in dead:
            outcomes = await asyncio.gather(
                stores.dead.resume(OPERATOR, resume_of(task)), stores.dead.discard(OTHER_OPERATOR, discard_of(task))
            )
            assert sum(isinstance(outcome, ChangedMeanwhile) for outcome in outcomes) == 1
            (action,) = await stores.actions.list(OPERATOR, task.id)
            done = (await stores.tasks.find(ALICE, task.id)).status
            assert (action.kind, done) in ((ActionKind.RESUME, "queued"), (ActionKind.DISCARD, "discarded"))


class OperatorActionsContract:
    async def test_who_did_what_is_recorded_with_it(self, stores: Stores):
        dead = await die(stores)
        detail = {"limits": {"cost_usd": ["0.25", "1"]}, "from": {"step": 2}}
        resumed = await stores.dead.resume(OPERATOR, replace(resume_of(dead), detail=detail, note="key mended"))
        again = (await settle(stores, await claim_one(stores), TaskStatus.DEAD)).task
        await stores.dead.discard(OTHER_OPERATOR, discard_of(again))
        assert isinstance(resumed, Resumed)
        discard, resume = await stores.actions.list(OPERATOR, dead.id)
        assert (resume.kind, discard.kind) == (ActionKind.RESUME, ActionKind.DISCARD)
        assert (resume.operator.tenant, resume.operator.user) == ("acme", "olga")
        assert (discard.operator.tenant, discard.operator.user) == ("elsewhere", "omar")
        assert (resume.target.task_id, resume.target.lane, resume.target.detail) == (dead.id, LANE, detail)
        assert (resume.note, discard.note) == ("key mended", None)
        assert resume.at == pytest.approx(resumed.task.changes[-1].at, abs=1)

    async def test_the_list_is_newest_first_and_in_pages(self, stores: Stores):
        dead = [await die(stores) for _ in range(5)]
        for task in dead:
            await stores.dead.discard(OPERATOR, discard_of(task))
        seen: list[Any] = []
        while page := await stores.actions.list(OPERATOR, None, 2, seen[-1].id if seen else None):
            seen += page
        assert [action.target.task_id for action in seen] == [task.id for task in reversed(dead)]
        (one,) = await stores.actions.list(OPERATOR, dead[2].id)
        assert one.target.task_id == dead[2].id

    async def test_a_deleted_session_leaves_who_and_what_and_none_of_its_words(self, stores: Stores):
        dead = await die(stores)
        detail = {"input_before": "my secret", "error": {"message": "secret"}, "limits": {}}
        order = replace(resume_of(dead), detail=detail, note="asked to")
        await stores.dead.resume(OPERATOR, order)
        await settle(stores, await claim_one(stores), TaskStatus.DEAD)
        await stores.sessions.delete(ALICE, dead.session_id)
        (action,) = await stores.actions.list(OPERATOR, dead.id)
        assert (action.target.detail, action.note) == ({"limits": {}}, "asked to")


async def die(
    stores: Stores,
    principal: Principal = ALICE,
    error: bytes = LOST,
    entries: tuple[str, ...] = (),
    counts_as_failure: bool = False,
    running_seconds: float = 0,
    output: bytes | None = None,
    **others: Any,
) -> Task:
    """A dead task; no other may be claimable."""
    task = await submit_one(stores, principal, **others)
    worker_id = await register(stores, lanes=[task.lane])
    (claimed,) = await stores.tasks.claim(worker_id, [task.lane], 1)
    assert claimed.task.id == task.id
    if entries:
        await stores.journal.append([entry(claimed, key) for key in entries])
    settled = await settle(
        stores,
        claimed,
        TaskStatus.DEAD,
        error=error,
        counts_as_failure=counts_as_failure,
        running_seconds=running_seconds,
        output=output,
    )
    if task.lane != LANE:
        await stores.workers.deregister(worker_id)
    return settled.task


def resume_of(task: Task, reason: str = "resumed") -> Resume:
    return Resume(task, task.input, task.limits, task.version, from_start=False, reason=reason, detail={})


def discard_of(task: Task, reason: str = "discarded") -> Discard:
    return Discard(task, reason, detail={})
