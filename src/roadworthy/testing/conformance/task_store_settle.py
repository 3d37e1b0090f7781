"""Settling: all at once or nothing, once, and only by the present attempt."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from roadworthy.domain.event import changed_number
from roadworthy.domain.task import LIFE_ENDS, Fence, TaskStatus, Usage
from roadworthy.ports.task_store import Settled, SettleRefused
from roadworthy.testing.conformance.scenario import (
    ALICE,
    LANE,
    claim_one,
    end_of,
    entry,
    lose_worker,
    new_task,
    register,
    rising_id,
    run_one,
    settle,
    submit,
    submit_one,
    turn,
)
from roadworthy.testing.conformance.stores import Stores

ENDS = [TaskStatus.SUCCEEDED, TaskStatus.PARTIAL, TaskStatus.CANCELLED, TaskStatus.DEAD]
USAGE = Usage(
    cost=1234,
    input_tokens=10,
    output_tokens=20,
    cache_read_tokens=5,
    model_calls=2,
    tool_calls=1,
    steps=2,
    cache_write_tokens=4,
    cached_calls=1,
    saved=-7,
    semantic_calls=1,
)


class SettleContract:
    @pytest.mark.parametrize("status", ENDS)
    async def test_an_end_is_written_with_all_that_belongs_to_it(self, stores: Stores, status: TaskStatus):
        claimed = await run_one(stores)
        written = await settle(
            stores, claimed, status, reason="why", output=b'"answer"', error=b"{}", usage=USAGE, running_seconds=2.5
        )
        task = await stores.tasks.find(ALICE, claimed.task.id)
        assert written == Settled(task, released=None)
        assert (task.status, task.reason, task.output, task.error) == (status, "why", b'"answer"', b"{}")
        assert (task.usage, task.running_seconds) == (USAGE, 2.5)
        assert (task.changes[-1].status, task.changes[-1].reason) == (status, "why")
        assert task.ended_at == pytest.approx(task.changes[-1].at, abs=1)

    async def test_the_change_is_numbered_after_the_journal_and_the_changes_before_it(self, stores: Stores):
        claimed = await run_one(stores)
        await stores.journal.append([entry(claimed, "input"), entry(claimed, "m1")])
        task = (await settle(stores, claimed)).task
        assert task.journal_length == 2
        assert task.changes[-1].number == changed_number(2, 1, 2, TaskStatus.SUCCEEDED)
        numbers = [change.number for change in task.changes]
        assert numbers == sorted(set(numbers))

    async def test_a_parked_task_holds_its_session_and_has_not_ended(self, stores: Stores):
        claimed = await run_one(stores)
        behind = await submit_one(stores, session_id=claimed.task.session_id)
        written = await settle(stores, claimed, TaskStatus.WAITING, reason="a person decides")
        assert (written.task.status, written.task.ended_at, written.released) == (TaskStatus.WAITING, None, None)
        assert (await stores.tasks.find(ALICE, behind.id)).status is TaskStatus.BLOCKED

    async def test_a_requeued_task_is_claimable_at_once_and_holds_its_session(self, stores: Stores):
        claimed = await run_one(stores)
        behind = await submit_one(stores, session_id=claimed.task.session_id)
        written = await settle(stores, claimed, TaskStatus.QUEUED, reason="handed over", running_seconds=1)
        assert (written.task.status, written.task.failures, written.released) == (TaskStatus.QUEUED, 0, None)
        again = await claim_one(stores)
        assert again.task.id == claimed.task.id
        ended = await settle(stores, again, running_seconds=2)
        assert ended.task.running_seconds == 3
        assert ended.released is not None
        assert ended.released.id == behind.id

    async def test_a_retry_is_not_claimable_before_its_time(self, stores: Stores):
        claimed = await run_one(stores)
        written = await settle(stores, claimed, TaskStatus.QUEUED, run_after_seconds=60, counts_as_failure=True)
        assert (written.task.status, written.task.failures) == (TaskStatus.QUEUED, 1)
        assert await stores.tasks.claim(await register(stores), [LANE], 10) == []

    async def test_the_next_blocked_task_is_released_at_once(self, stores: Stores):
        claimed = await run_one(stores)
        blocked = [await submit_one(stores, session_id=claimed.task.session_id) for _ in range(2)]
        released = (await settle(stores, claimed)).released
        assert released is not None
        assert (released.id, released.status) == (blocked[0].id, TaskStatus.QUEUED)
        assert released == await stores.tasks.find(ALICE, blocked[0].id)
        assert [c.number for c in released.changes] == [
            changed_number(0, 0, 0, TaskStatus.BLOCKED),
            changed_number(0, 0, 1, TaskStatus.QUEUED),
        ]
        assert (await claim_one(stores)).task.id == released.id

    @pytest.mark.parametrize("status", [TaskStatus.SUCCEEDED, TaskStatus.PARTIAL, TaskStatus.CANCELLED])
    async def test_a_turn_becomes_the_sessions_next_one(self, stores: Stores, status: TaskStatus):
        first = await run_one(stores)
        await settle(stores, first, turn=turn("one"))
        second = await run_one(stores, session_id=first.task.session_id)
        await settle(stores, second, status, turn=turn("two"))
        assert (await stores.sessions.find(ALICE, first.task.session_id)).turns == 2
        history = await stores.sessions.history(ALICE, first.task.session_id, 10)
        assert list(history) == [turn("one"), turn("two")]

    async def test_an_end_without_a_turn_adds_none(self, stores: Stores):
        claimed = await run_one(stores)
        await settle(stores, claimed, TaskStatus.PARTIAL)
        assert (await stores.sessions.find(ALICE, claimed.task.session_id)).turns == 0

    async def test_many_settle_together_each_for_itself(self, stores: Stores):
        await submit(stores, *(new_task() for _ in range(30)))
        claimed = await stores.tasks.claim(await register(stores), [LANE], 30)
        endings = [end_of(each, output=b"%d" % n) for n, each in enumerate(claimed)]
        endings[7] = replace(endings[7], fence=replace(endings[7].fence, claim_token=uuid4()))
        outcomes = await stores.tasks.settle(endings)
        assert outcomes[7] == SettleRefused()
        settled = {n: outcome.task for n, outcome in enumerate(outcomes) if isinstance(outcome, Settled)}
        assert {n: (task.id, task.output) for n, task in settled.items()} == {
            n: (each.task.id, b"%d" % n) for n, each in enumerate(claimed) if n != 7
        }


class SettleFenceContract:
    async def test_an_older_attempt_is_refused(self, stores: Stores):
        worker_id = await register(stores)
        old = await run_one(stores, worker_id=worker_id)
        await lose_worker(stores, worker_id)
        new = await claim_one(stores)
        assert await stores.tasks.settle([end_of(old, output=b'"zombie"')]) == [SettleRefused()]
        assert await stores.tasks.find(ALICE, old.task.id) == new.task

    async def test_an_attempt_whose_task_was_taken_away_is_refused(self, stores: Stores):
        worker_id = await register(stores)
        old = await run_one(stores, worker_id=worker_id)
        (rescued,) = await lose_worker(stores, worker_id)
        assert await stores.tasks.settle([end_of(old)]) == [SettleRefused()]
        assert await stores.tasks.find(ALICE, old.task.id) == rescued

    async def test_a_wrong_attempt_token_or_task_is_refused(self, stores: Stores):
        claimed = await run_one(stores)
        fence = claimed.fence
        wrong = [
            replace(fence, claim_token=uuid4()),
            replace(fence, attempt=2),
            replace(fence, attempt=0),
            Fence(rising_id(), 1, fence.claim_token),
        ]
        outcomes = [await stores.tasks.settle([replace(end_of(claimed), fence=each)]) for each in wrong]
        assert outcomes == [[SettleRefused()]] * 4
        assert await stores.tasks.find(ALICE, claimed.task.id) == claimed.task

    @pytest.mark.parametrize("status", [TaskStatus.SUCCEEDED, TaskStatus.WAITING, TaskStatus.QUEUED])
    async def test_repeating_a_settlement_answers_settled_and_changes_nothing(self, stores: Stores, status: TaskStatus):
        claimed = await run_one(stores)
        ending = end_of(claimed, status, usage=USAGE, running_seconds=1, counts_as_failure=True)
        if status in LIFE_ENDS:
            ending = replace(ending, turn=turn("one"))
        (first,) = await stores.tasks.settle([ending])
        (again,) = await stores.tasks.settle([ending])
        assert isinstance(first, Settled)
        assert isinstance(again, Settled)
        assert again.task == first.task == await stores.tasks.find(ALICE, claimed.task.id)
        assert (await stores.sessions.find(ALICE, claimed.task.session_id)).turns == (status in LIFE_ENDS)

    async def test_repeating_a_settlement_does_not_release_a_second_task(self, stores: Stores):
        claimed = await run_one(stores)
        blocked = [await submit_one(stores, session_id=claimed.task.session_id) for _ in range(2)]
        for _ in range(2):
            await stores.tasks.settle([end_of(claimed)])
        found = [(await stores.tasks.find(ALICE, task.id)).status for task in blocked]
        assert found == [TaskStatus.QUEUED, TaskStatus.BLOCKED]

    async def test_repeating_the_settlement_of_a_task_that_runs_again_is_refused(self, stores: Stores):
        old = await run_one(stores)
        await settle(stores, old, TaskStatus.QUEUED)
        new = await claim_one(stores)
        assert await stores.tasks.settle([end_of(old, TaskStatus.QUEUED)]) == [SettleRefused()]
        assert await stores.tasks.find(ALICE, old.task.id) == new.task

    async def test_of_two_settlements_at_once_one_is_written(self, stores: Stores):
        claimed = await run_one(stores)
        ends = [end_of(claimed, status) for status in (TaskStatus.SUCCEEDED, TaskStatus.PARTIAL, TaskStatus.DEAD)]
        outcomes = await asyncio.gather(*(stores.tasks.settle([ending]) for ending in ends), stores.tasks.settle(ends))
        task = await stores.tasks.find(ALICE, claimed.task.id)
        assert len(task.changes) == 3
        assert all(isinstance(each, Settled) and each.task == task for batch in outcomes for each in batch)
