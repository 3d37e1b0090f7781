"""Cancelling: durable, at once where nobody works, and stronger than every other end."""

from __future__ import annotations

import asyncio

import pytest

from roadworthy.domain.errors import NotFound
from roadworthy.domain.event import changed_number
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import TaskStatus
from roadworthy.testing.conformance.scenario import (
    ALICE,
    LANE,
    STRANGERS,
    claim_one,
    end_of,
    lose_worker,
    park,
    register,
    rising_id,
    run_one,
    settle,
    submit_one,
    turn,
)
from roadworthy.testing.conformance.stores import Stores


class CancelContract:
    @pytest.mark.parametrize("status", ["blocked", "queued", "retrying", "waiting"])
    async def test_a_task_that_does_not_run_ends_at_once(self, stores: Stores, status: str):
        match status:
            case "blocked":
                task = await submit_one(stores, session_id=(await run_one(stores)).task.session_id)
            case "queued":
                task = await submit_one(stores)
            case "retrying":
                failed = await run_one(stores)
                task = (await settle(stores, failed, TaskStatus.QUEUED, run_after_seconds=60)).task
            case _:
                task = await park(stores)
        (changed,) = await stores.tasks.cancel(ALICE, task.id)
        assert changed.task == await stores.tasks.find(ALICE, task.id)
        assert changed.task.status is TaskStatus.CANCELLED
        assert changed.task.ended_at is not None
        change = changed.task.changes[-1]
        assert change.number == changed_number(0, task.attempt, len(task.changes), TaskStatus.CANCELLED)
        assert await stores.tasks.claim(await register(stores), [LANE], 10) == []

    async def test_a_running_task_keeps_the_request(self, stores: Stores):
        claimed = await run_one(stores)
        (changed,) = await stores.tasks.cancel(ALICE, claimed.task.id)
        assert (changed.task.status, changed.task.cancel_requested) == (TaskStatus.RUNNING, True)
        assert changed.task.changes == claimed.task.changes
        assert changed.task == await stores.tasks.find(ALICE, claimed.task.id)

    async def test_an_ended_task_is_left_as_it_is(self, stores: Stores):
        for end in (TaskStatus.SUCCEEDED, TaskStatus.PARTIAL, TaskStatus.CANCELLED, TaskStatus.DEAD):
            ended = (await settle(stores, await run_one(stores), end)).task
            (changed,) = await stores.tasks.cancel(ALICE, ended.id)
            assert changed.task == ended

    @pytest.mark.parametrize("status", ["queued", "waiting"])
    async def test_the_sessions_next_task_is_released_and_returned_second(self, stores: Stores, status: str):
        task = await park(stores) if status == "waiting" else await submit_one(stores)
        behind = [await submit_one(stores, session_id=task.session_id) for _ in range(2)]
        cancelled, released = await stores.tasks.cancel(ALICE, task.id)
        assert cancelled.task.id == task.id
        assert (released.task.id, released.task.status) == (behind[0].id, TaskStatus.QUEUED)
        assert (await claim_one(stores)).task.id == behind[0].id

    async def test_cancelling_a_blocked_task_leaves_the_rest_of_its_session_alone(self, stores: Stores):
        claimed = await run_one(stores)
        behind = [await submit_one(stores, session_id=claimed.task.session_id) for _ in range(2)]
        assert len(await stores.tasks.cancel(ALICE, behind[0].id)) == 1
        assert await stores.tasks.find(ALICE, claimed.task.id) == claimed.task
        assert await stores.tasks.find(ALICE, behind[1].id) == behind[1]

    async def test_cancelling_twice_is_cancelling_once(self, stores: Stores):
        task = await submit_one(stores)
        together = await asyncio.gather(*(stores.tasks.cancel(ALICE, task.id) for _ in range(4)))
        found = await stores.tasks.find(ALICE, task.id)
        assert [changed.task for changes in together for changed in changes] == [found] * 4
        assert len(found.changes) == 2

    @pytest.mark.parametrize("stranger", STRANGERS, ids=["other user", "other tenant"])
    async def test_a_stranger_finds_nothing_to_cancel(self, stores: Stores, stranger: Principal):
        claimed = await run_one(stores)
        for task_id in (claimed.task.id, rising_id()):
            with pytest.raises(NotFound):
                await stores.tasks.cancel(stranger, task_id)
        assert await stores.tasks.find(ALICE, claimed.task.id) == claimed.task


class CancelWinsContract:
    @pytest.mark.parametrize(
        "status", [TaskStatus.SUCCEEDED, TaskStatus.PARTIAL, TaskStatus.DEAD, TaskStatus.WAITING, TaskStatus.QUEUED]
    )
    async def test_a_requested_cancel_wins_over_every_other_end(self, stores: Stores, status: TaskStatus):
        claimed = await run_one(stores)
        behind = await submit_one(stores, session_id=claimed.task.session_id)
        await stores.tasks.cancel(ALICE, claimed.task.id)
        ended = await settle(stores, claimed, status, output=b'"so far"', running_seconds=1, run_after_seconds=60)
        assert (ended.task.status, ended.task.output) == (TaskStatus.CANCELLED, b'"so far"')
        assert ended.task.running_seconds == 1
        assert ended.task.changes[-1].status is TaskStatus.CANCELLED
        assert ended.task.ended_at is not None
        assert ended.released is not None
        assert ended.released.id == behind.id

    async def test_a_cancelled_task_keeps_the_turn_that_it_finished(self, stores: Stores):
        claimed = await run_one(stores)
        await stores.tasks.cancel(ALICE, claimed.task.id)
        await settle(stores, claimed, turn=turn("as far as it got"))
        history = await stores.sessions.history(ALICE, claimed.task.session_id, 10)
        assert list(history) == [turn("as far as it got")]

    async def test_the_rescue_ends_a_cancelled_task_instead_of_retrying_it(self, stores: Stores):
        worker_id = await register(stores)
        claimed = await run_one(stores, worker_id=worker_id)
        behind = await submit_one(stores, session_id=claimed.task.session_id)
        await stores.tasks.cancel(ALICE, claimed.task.id)
        changed = {task.id: task.status for task in await lose_worker(stores, worker_id)}
        assert changed == {claimed.task.id: TaskStatus.CANCELLED, behind.id: TaskStatus.QUEUED}

    async def test_cancel_and_settle_at_once_agree(self, stores: Stores):
        for _ in range(5):
            claimed = await run_one(stores)
            (changed,), _settled = await asyncio.gather(
                stores.tasks.cancel(ALICE, claimed.task.id), stores.tasks.settle([end_of(claimed)])
            )
            cancelled_first = changed.task.status is TaskStatus.RUNNING
            task = await stores.tasks.find(ALICE, claimed.task.id)
            assert task.status is (TaskStatus.CANCELLED if cancelled_first else TaskStatus.SUCCEEDED)

    async def test_cancel_and_claim_at_once_agree(self, stores: Stores):
        worker_id = await register(stores)
        for _ in range(5):
            task = await submit_one(stores)
            claims, (changed, *_) = await asyncio.gather(
                stores.tasks.claim(worker_id, [LANE], 1), stores.tasks.cancel(ALICE, task.id)
            )
            expected = TaskStatus.RUNNING if claims else TaskStatus.CANCELLED
            assert changed.task.status is expected
            assert (await stores.tasks.find(ALICE, task.id)).cancel_requested or not claims
