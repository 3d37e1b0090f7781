"""Whatever happens to a session at the same time: one task at a time, and none is forgotten."""

import asyncio
from dataclasses import replace

import pytest

from roadworthy.domain.journal import NotStorable
from roadworthy.domain.task import OnBusy, TaskStatus
from roadworthy.ports.task_store import Settled, Submitted
from roadworthy.testing.conformance.scenario import (
    ALICE,
    BOB,
    claim_one,
    end_of,
    new_task,
    run_one,
    settle,
    submit,
    submit_one,
)
from roadworthy.testing.conformance.stores import Stores

from .other_connection import OtherConnection

LOCK_TASK = "select from tasks where id = $1 for no key update"
LOCK_SESSION = "select from sessions where id = $1 for no key update"


async def free_session(stores: Stores):
    claimed = await run_one(stores)
    await settle(stores, claimed)
    return claimed.task.session_id


async def test_of_two_submissions_to_a_free_session_one_is_blocked(stores: Stores, other: OtherConnection):
    session_id = await free_session(stores)
    async with other.holding(LOCK_SESSION, session_id):
        first = await other.until_waiting(stores.tasks.submit([new_task(session_id=session_id)]))
        second = await other.until_waiting(stores.tasks.submit([new_task(session_id=session_id)]), behind=1)
    statuses = [outcome.task.status for (outcome,) in (await first, await second) if isinstance(outcome, Submitted)]
    assert sorted(statuses) == [TaskStatus.BLOCKED, TaskStatus.QUEUED]


@pytest.mark.parametrize("first", ["submit", "settle"])
async def test_a_task_submitted_while_the_one_before_ends_is_queued(stores: Stores, other: OtherConnection, first: str):
    claimed = await run_one(stores)
    new = new_task(session_id=claimed.task.session_id)
    calls = [stores.tasks.submit([new]), stores.tasks.settle([end_of(claimed)])]
    async with other.holding(LOCK_SESSION, claimed.task.session_id):
        waiting = [
            await other.until_waiting(call, behind)
            for behind, call in enumerate(calls if first == "submit" else calls[::-1])
        ]
    await asyncio.gather(*waiting)
    assert (await stores.tasks.find(ALICE, claimed.task.id)).status is TaskStatus.SUCCEEDED
    assert (await claim_one(stores)).task.id == new.id


async def test_a_wrong_hint_does_not_open_the_wall(stores: Stores, other: OtherConnection):
    running = await run_one(stores)
    await other.connection.execute("update sessions set busy = false")
    behind = await submit_one(stores, session_id=running.task.session_id)
    assert behind.status is TaskStatus.BLOCKED
    assert (await settle(stores, running)).released is not None


async def test_a_hint_that_is_left_behind_costs_nothing_but_time(stores: Stores, other: OtherConnection):
    session_id = await free_session(stores)
    await other.connection.execute("update sessions set busy = true, has_blocked = true")
    assert (await submit_one(stores, session_id=session_id)).status is TaskStatus.QUEUED
    assert (await settle(stores, await claim_one(stores))).released is None
    assert await other.connection.fetchval("select not busy and not has_blocked from sessions")


async def test_blocked_tasks_that_a_crash_left_go_on_before_a_new_one(stores: Stores, other: OtherConnection):
    first = await submit_one(stores)
    older = await submit_one(stores, session_id=first.session_id)
    await other.connection.execute("update tasks set status = 'cancelled' where id = $1", first.id)
    newer = await submit_one(stores, session_id=first.session_id)
    assert newer.status is TaskStatus.BLOCKED
    assert (await claim_one(stores)).task.id == older.id


@pytest.mark.parametrize("first", ["cancel", "settle"])
async def test_a_cancel_is_not_lost_on_a_task_that_begins_to_wait(stores: Stores, other: OtherConnection, first: str):
    claimed = await run_one(stores)
    calls = [stores.tasks.cancel(ALICE, claimed.task.id), stores.tasks.settle([end_of(claimed, TaskStatus.WAITING)])]
    async with other.holding(LOCK_SESSION, claimed.task.session_id):
        waiting = [
            await other.until_waiting(call, behind)
            for behind, call in enumerate(calls if first == "cancel" else calls[::-1])
        ]
    await asyncio.gather(*waiting)
    assert (await stores.tasks.find(ALICE, claimed.task.id)).status is TaskStatus.CANCELLED
    assert (await submit_one(stores, session_id=claimed.task.session_id)).status is TaskStatus.QUEUED


async def test_a_cancel_that_meets_a_claim_becomes_a_request(stores: Stores, other: OtherConnection):
    task = await submit_one(stores)
    async with other.holding(LOCK_TASK, task.id) as connection:
        cancel = await other.until_waiting(stores.tasks.cancel(ALICE, task.id))
        await connection.execute("update tasks set status = 'running', attempt = 1 where id = $1", task.id)
    (changed,) = await cancel
    assert (changed.task.status, changed.task.cancel_requested) == (TaskStatus.RUNNING, True)


async def test_cancelling_a_blocked_task_releases_nothing_while_another_one_runs(stores: Stores):
    running = await run_one(stores)
    session_id = running.task.session_id
    interrupting = [await submit_one(stores, session_id=session_id, on_busy=OnBusy.INTERRUPT) for _ in range(2)]
    (changed,) = await stores.tasks.cancel(ALICE, interrupting[1].id)
    assert changed.task.status is TaskStatus.CANCELLED
    assert (await stores.tasks.find(ALICE, interrupting[0].id)).status is TaskStatus.BLOCKED


async def test_a_submission_that_is_refused_leaves_no_session_and_no_key(stores: Stores, other: OtherConnection):
    hers = await submit_one(stores)
    (outcome,) = await stores.tasks.submit([replace(new_task(BOB, idempotency_key="key"), id=hers.id)])
    assert isinstance(outcome, NotStorable)
    assert await stores.sessions.list(BOB) == []
    assert await other.connection.fetch("select from idempotency_keys") == []


async def test_a_batch_of_ends_releases_in_every_session_that_waits(stores: Stores):
    running = [await run_one(stores) for _ in range(4)]
    behind = await submit(stores, *(new_task(session_id=each.task.session_id) for each in running[::2]))
    outcomes = await stores.tasks.settle([end_of(each) for each in running])
    released = [outcome.released and outcome.released.id for outcome in outcomes if isinstance(outcome, Settled)]
    assert released == [behind[0].id, None, behind[1].id, None]


async def test_sessions_settled_and_submitted_to_by_many_at_once_lose_nothing(stores: Stores):
    running = [await run_one(stores) for _ in range(12)]
    sessions = [each.task.session_id for each in running]
    backwards = [new_task(session_id=session_id) for session_id in reversed(sessions)]
    await asyncio.gather(
        *(stores.tasks.settle([end_of(each) for each in running[start : start + 4]]) for start in (0, 4, 8)),
        *(stores.tasks.submit(backwards[start : start + 4]) for start in (0, 4, 8)),
    )
    assert await stores.upkeep.release_blocked_tasks(100) == []
    found = [await stores.tasks.find(ALICE, new.id) for new in backwards]
    assert [task.status for task in found] == [TaskStatus.QUEUED] * 12
