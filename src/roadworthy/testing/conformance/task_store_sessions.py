"""One conversation, one task at a time: queue, refuse or interrupt, as the caller says."""

from __future__ import annotations

import asyncio

import pytest

from roadworthy.domain.errors import NotFound
from roadworthy.domain.event import changed_number
from roadworthy.domain.ids import SessionId, TaskId
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import OCCUPYING, Claimed, NewTask, OnBusy, Task, TaskStatus
from roadworthy.ports.task_store import Busy, NoSuchSession, Submitted, TaskFilter
from roadworthy.testing.conformance.scenario import (
    ALICE,
    STRANGERS,
    claim_one,
    lose_worker,
    new_task,
    park,
    register,
    run_one,
    settle,
    submit,
    submit_one,
)
from roadworthy.testing.conformance.stores import Stores

ENDS = [TaskStatus.SUCCEEDED, TaskStatus.PARTIAL, TaskStatus.CANCELLED, TaskStatus.DEAD]


class BusySessionContract:
    async def test_a_second_task_of_a_session_is_blocked(self, stores: Stores):
        first = await submit_one(stores)
        second = await submit_one(stores, session_id=first.session_id)
        assert second.status is TaskStatus.BLOCKED
        assert [change.number for change in second.changes] == [changed_number(0, 0, 0, TaskStatus.BLOCKED)]

    @pytest.mark.parametrize("status", ["running", "waiting"])
    async def test_a_running_or_waiting_task_blocks_too(self, stores: Stores, status: str):
        first = (await run_one(stores)).task if status == "running" else await park(stores)
        assert (await submit_one(stores, session_id=first.session_id)).status is TaskStatus.BLOCKED

    async def test_of_many_submitted_at_once_exactly_one_is_not_blocked(self, stores: Stores):
        session_id = await free_session(stores)
        together = await asyncio.gather(*(submit(stores, new_task(session_id=session_id)) for _ in range(8)))
        found = sorted(task.status for tasks in together for task in tasks)
        assert found == [TaskStatus.BLOCKED] * 7 + [TaskStatus.QUEUED]

    async def test_of_two_in_one_batch_the_first_is_queued(self, stores: Stores):
        first = new_task()
        accepted = await submit(stores, first, new_task(session_id=first.session_id))
        assert [task.status for task in accepted] == [TaskStatus.QUEUED, TaskStatus.BLOCKED]

    @pytest.mark.parametrize("end", ENDS)
    async def test_a_session_is_free_after_every_end(self, stores: Stores, end: TaskStatus):
        claimed = await run_one(stores)
        await settle(stores, claimed, end)
        assert (await submit_one(stores, session_id=claimed.task.session_id)).status is TaskStatus.QUEUED

    async def test_sessions_do_not_block_each_other(self, stores: Stores):
        assert [task.status for task in await submit(stores, *(new_task() for _ in range(3)))] == [
            TaskStatus.QUEUED
        ] * 3


class RejectContract:
    @pytest.mark.parametrize("status", ["queued", "running", "waiting"])
    async def test_reject_names_the_task_that_it_met_and_writes_nothing(self, stores: Stores, status: str):
        match status:
            case "queued":
                occupant = await submit_one(stores)
            case "running":
                occupant = (await run_one(stores)).task
            case _:
                occupant = await park(stores)
        refused = new_task(session_id=occupant.session_id, on_busy=OnBusy.REJECT)
        assert await stores.tasks.submit([refused]) == [Busy(occupant.id)]
        with pytest.raises(NotFound):
            await stores.tasks.find(ALICE, refused.id)
        assert await stores.tasks.find(ALICE, occupant.id) == occupant

    async def test_reject_is_accepted_by_a_free_session(self, stores: Stores):
        assert (await submit_one(stores, on_busy=OnBusy.REJECT)).status is TaskStatus.QUEUED

    async def test_of_many_rejects_at_once_one_is_accepted(self, stores: Stores):
        session_id = await free_session(stores)
        tasks = [new_task(session_id=session_id, on_busy=OnBusy.REJECT) for _ in range(6)]
        outcomes = [outcome for (outcome,) in await asyncio.gather(*(stores.tasks.submit([new]) for new in tasks))]
        (accepted,) = [outcome for outcome in outcomes if isinstance(outcome, Submitted)]
        assert outcomes.count(Busy(accepted.task.id)) == 5


class InterruptContract:
    async def test_interrupting_asks_the_running_task_to_end_and_goes_next(self, stores: Stores):
        claimed = await run_one(stores)
        (outcome,) = await stores.tasks.submit([interrupting(claimed.task)])
        assert isinstance(outcome, Submitted)
        assert outcome.task.status is TaskStatus.BLOCKED
        asked = await stores.tasks.find(ALICE, claimed.task.id)
        assert (asked.status, asked.cancel_requested) == (TaskStatus.RUNNING, True)
        assert outcome.interrupted == asked
        ended = await settle(stores, claimed, output=b'"too late"')
        assert ended.task.status is TaskStatus.CANCELLED
        assert ended.released is not None
        assert (ended.released.id, ended.released.status) == (outcome.task.id, TaskStatus.QUEUED)

    @pytest.mark.parametrize("how", ["queued", "stops", "finishes", "lost", "handed over"])
    async def test_it_says_that_a_newer_message_interrupted_it(self, stores: Stores, how: str):
        worker_id = await register(stores)
        task = await submit_one(stores)
        claimed = None if how == "queued" else await claim_one(stores, worker_id)
        await submit_one(stores, session_id=task.session_id, on_busy=OnBusy.INTERRUPT)
        match how, claimed:
            case "stops", Claimed():
                await settle(stores, claimed, TaskStatus.CANCELLED, reason="Somebody cancelled the task.")
            case "finishes", Claimed():
                await settle(stores, claimed)
            case "handed over", Claimed():
                await settle(stores, claimed, TaskStatus.QUEUED, reason="its worker ends")
            case "lost", _:
                await lose_worker(stores, worker_id)
            case _:
                pass
        ended = await stores.tasks.find(ALICE, task.id)
        assert (ended.status, ended.reason) == (TaskStatus.CANCELLED, "a newer message of its session interrupted it")
        assert ended.changes[-1].reason == ended.reason

    @pytest.mark.parametrize("lost", [False, True])
    async def test_one_that_was_cancelled_before_says_that(self, stores: Stores, lost: bool):
        worker_id = await register(stores)
        task = await submit_one(stores)
        claimed = await claim_one(stores, worker_id)
        await stores.tasks.cancel(ALICE, task.id)
        await submit_one(stores, session_id=task.session_id, on_busy=OnBusy.INTERRUPT)
        await (lose_worker(stores, worker_id) if lost else settle(stores, claimed))
        ended = await stores.tasks.find(ALICE, task.id)
        assert (ended.status, ended.reason) == (TaskStatus.CANCELLED, "cancelled")

    @pytest.mark.parametrize("status", ["queued", "waiting"])
    async def test_a_task_that_does_not_run_ends_at_once(self, stores: Stores, status: str):
        occupant = await park(stores) if status == "waiting" else await submit_one(stores)
        (outcome,) = await stores.tasks.submit([interrupting(occupant)])
        assert isinstance(outcome, Submitted)
        task = outcome.task
        assert task.status is TaskStatus.QUEUED
        ended = await stores.tasks.find(ALICE, occupant.id)
        assert outcome.interrupted == ended
        assert ended.status is TaskStatus.CANCELLED
        assert ended.reason
        assert ended.changes[-1].number == changed_number(0, occupant.attempt, len(occupant.changes), ended.status)
        assert (await claim_one(stores)).task.id == task.id

    async def test_older_blocked_tasks_stay_behind_the_interrupting_one(self, stores: Stores):
        first = await run_one(stores)
        older = [await submit_one(stores, session_id=first.task.session_id) for _ in range(2)]
        (last,) = await submit(stores, interrupting(first.task))
        assert await order_of_release(stores, first) == [last.id, older[0].id, older[1].id]

    async def test_of_several_interrupting_ones_the_newest_goes_first(self, stores: Stores):
        first = await run_one(stores)
        queued = await submit_one(stores, session_id=first.task.session_id)
        interrupts = [(await submit(stores, interrupting(first.task)))[0] for _ in range(2)]
        assert await order_of_release(stores, first) == [interrupts[1].id, interrupts[0].id, queued.id]

    async def test_interrupting_a_queued_task_leaves_older_blocked_ones_blocked(self, stores: Stores):
        first = await submit_one(stores)
        older = await submit_one(stores, session_id=first.session_id)
        (task,) = await submit(stores, interrupting(first))
        assert task.status is TaskStatus.QUEUED
        assert (await stores.tasks.find(ALICE, older.id)).status is TaskStatus.BLOCKED

    async def test_interrupting_a_free_session_is_just_submitting(self, stores: Stores):
        (outcome,) = await stores.tasks.submit([new_task(on_busy=OnBusy.INTERRUPT)])
        assert isinstance(outcome, Submitted)
        assert (outcome.task.status, outcome.interrupted) == (TaskStatus.QUEUED, None)

    async def test_interrupts_at_once_leave_one_task_not_blocked(self, stores: Stores):
        first = await submit_one(stores)
        await asyncio.gather(*(submit(stores, interrupting(first)) for _ in range(5)))
        tasks = await stores.tasks.list(ALICE, TaskFilter(session_id=first.session_id))
        assert [task.status for task in tasks if task.status in OCCUPYING] == [TaskStatus.QUEUED]

    @pytest.mark.parametrize("stranger", STRANGERS, ids=["other user", "other tenant"])
    async def test_a_stranger_cannot_interrupt(self, stores: Stores, stranger: Principal):
        claimed = await run_one(stores)
        intruding = new_task(stranger, session_id=claimed.task.session_id, on_busy=OnBusy.INTERRUPT)
        assert await stores.tasks.submit([intruding]) == [NoSuchSession()]
        assert await stores.tasks.find(ALICE, claimed.task.id) == claimed.task


def interrupting(task: Task) -> NewTask:
    return new_task(session_id=task.session_id, on_busy=OnBusy.INTERRUPT)


async def free_session(stores: Stores) -> SessionId:
    """A session whose only task has ended."""
    claimed = await run_one(stores)
    await settle(stores, claimed)
    return claimed.task.session_id


async def order_of_release(stores: Stores, claimed: Claimed) -> list[TaskId]:
    """End one task of the session after the other; the order in which the others were released."""
    order: list[TaskId] = []
    worker_id = await register(stores)
    while (released := (await settle(stores, claimed)).released) is not None:
        order.append(released.id)
        claimed = await claim_one(stores, worker_id)
        assert claimed.task.id == released.id
    return order
