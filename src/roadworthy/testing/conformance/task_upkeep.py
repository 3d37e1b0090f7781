"""What every `TaskUpkeep` must do."""

from __future__ import annotations

import asyncio
import json

import pytest

from roadworthy.domain.event import changed_number
from roadworthy.domain.limits import Limits
from roadworthy.domain.task import NewTask, Task, TaskStatus
from roadworthy.testing.conformance.scenario import (
    ALICE,
    BOB,
    LANE,
    claim_one,
    entry,
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

SOON = Limits(queue_seconds=0.1, waiting_seconds=0.1)


class RescueContract:
    """`TaskUpkeep.rescue_expired_leases`, given `stores`."""

    async def test_tasks_of_a_worker_whose_lease_ran_out_are_queued_again(self, stores: Stores):
        worker_id = await register(stores, lease_seconds=0.3)
        claimed = await run_one(stores, worker_id=worker_id)
        (rescued,) = await stores.eventually(lambda: stores.upkeep.rescue_expired_leases(3, 10))
        assert rescued == await stores.tasks.find(ALICE, claimed.task.id)
        assert (rescued.status, rescued.attempt, rescued.failures) == (TaskStatus.QUEUED, 1, 1)
        assert rescued.reason
        assert rescued.changes[-1].number == changed_number(0, 1, 2, TaskStatus.QUEUED)
        again = await claim_one(stores)
        assert (again.task.id, again.task.attempt) == (claimed.task.id, 2)

    async def test_tasks_of_living_workers_stay_with_them(self, stores: Stores):
        living, dying = await register(stores), await register(stores, lease_seconds=0.3)
        kept = await run_one(stores, worker_id=living)
        lost = await run_one(stores, worker_id=dying)
        rescued = await stores.eventually(lambda: stores.upkeep.rescue_expired_leases(3, 10))
        assert [task.id for task in rescued] == [lost.task.id]
        assert await stores.tasks.find(ALICE, kept.task.id) == kept.task

    async def test_what_a_worker_that_ended_still_held_is_rescued_at_once(self, stores: Stores):
        worker_id = await register(stores)
        claimed = await run_one(stores, worker_id=worker_id)
        assert [task.id for task in await lose_worker(stores, worker_id)] == [claimed.task.id]

    async def test_a_rescued_task_holds_its_session(self, stores: Stores):
        worker_id = await register(stores)
        claimed = await run_one(stores, worker_id=worker_id)
        behind = await submit_one(stores, session_id=claimed.task.session_id)
        assert [task.id for task in await lose_worker(stores, worker_id)] == [claimed.task.id]
        assert (await stores.tasks.find(ALICE, behind.id)).status is TaskStatus.BLOCKED

    async def test_more_than_max_retries_failures_end_it_dead_and_release_the_session(self, stores: Stores):
        task = await submit_one(stores)
        behind = await submit_one(stores, session_id=task.session_id)
        for _ in range(2):
            await lose_the_worker_of_the_next_task(stores, max_retries=2)
        dead, released = await lose_the_worker_of_the_next_task(stores, max_retries=2)
        assert (dead.id, dead.status, dead.failures) == (task.id, TaskStatus.DEAD, 3)
        assert dead.ended_at is not None
        assert dead.reason
        assert dead.error is not None
        assert set(json.loads(dead.error)) >= {"code", "message"}
        assert (released.id, released.status) == (behind.id, TaskStatus.QUEUED)

    async def test_the_one_that_brings_workers_down_is_found_and_its_neighbours_live(self, stores: Stores):
        """Of tasks that are lost together again, half wait until the others got on; none ends while it had company."""
        poison, *neighbours = [await submit_one(stores) for _ in range(6)]
        company: list[int] = []
        while (await stores.tasks.find(ALICE, poison.id)).status is TaskStatus.QUEUED:
            worker_id = await register(stores)
            company.append(len(await stores.tasks.claim(worker_id, [LANE], 10)))
            await stores.workers.deregister(worker_id)
            await stores.upkeep.rescue_expired_leases(2, 10, 0.2)
        assert company == [6, 6, 3, 2, 1]
        assert (await stores.tasks.find(ALICE, poison.id)).status is TaskStatus.DEAD
        assert {(await stores.tasks.find(ALICE, one.id)).status for one in neighbours} == {TaskStatus.QUEUED}
        due = [await stores.eventually(lambda: stores.upkeep.release_due_tasks(1)) for _ in neighbours]
        assert {task.id for (task,) in due} == {one.id for one in neighbours}

    @pytest.mark.parametrize(("max_retries", "status"), [(3, TaskStatus.QUEUED), (0, TaskStatus.DEAD)])
    async def test_tasks_that_are_lost_together_for_the_first_time_are_treated_as_if_alone(
        self, stores: Stores, max_retries: int, status: TaskStatus
    ):
        tasks = [await submit_one(stores) for _ in range(4)]
        worker_id = await register(stores)
        assert len(await stores.tasks.claim(worker_id, [LANE], 10)) == 4
        lost = await lose_worker(stores, worker_id, max_retries)
        assert [task.status for task in lost] == [status] * len(tasks)
        if status is TaskStatus.QUEUED:
            assert len(await stores.tasks.claim(await register(stores), [LANE], 10)) == len(tasks)

    async def test_other_failures_make_no_suspect_of_a_task(self, stores: Stores):
        """Here the new task beside it brought the worker down; nothing says that it was the one that failed before."""
        worker_id = await register(stores)
        innocent = await run_one(stores, worker_id=worker_id)
        for _ in range(2):
            await settle(stores, innocent, TaskStatus.QUEUED, counts_as_failure=True)
            innocent = await claim_one(stores, worker_id)
        await run_one(stores, BOB, worker_id)
        lost = await lose_worker(stores, worker_id, max_retries=2)
        assert [(task.status, task.failures) for task in lost] == [(TaskStatus.QUEUED, 3), (TaskStatus.QUEUED, 1)]

    async def test_what_failed_too_often_and_is_lost_alone_for_the_second_time_is_dead(self, stores: Stores):
        failed = await run_one(stores)
        await settle(stores, failed, TaskStatus.QUEUED, counts_as_failure=True)
        (once,) = await lose_the_worker_of_the_next_task(stores, max_retries=1)
        (twice,) = await lose_the_worker_of_the_next_task(stores, max_retries=1)
        assert (once.status, twice.status, twice.failures) == (TaskStatus.QUEUED, TaskStatus.DEAD, 3)

    async def test_a_grown_journal_clears_a_suspect(self, stores: Stores):
        """The one beside it, lost for the second time without progress, is the only suspect."""
        await submit(stores, new_task(), new_task(BOB))
        for grows in (False, True):
            worker_id = await register(stores)
            claimed = await stores.tasks.claim(worker_id, [LANE], 10)
            if grows:
                await stores.journal.append([entry(claimed[0], "m1")])
            lost = await lose_worker(stores, worker_id, max_retries=1)
        grown = claimed[0].task.id
        assert {task.id == grown: (task.status, task.failures) for task in lost} == {
            True: (TaskStatus.QUEUED, 1),
            False: (TaskStatus.DEAD, 2),
        }

    async def test_tasks_lost_together_have_company_also_if_they_are_taken_one_by_one(self, stores: Stores):
        await lose_together_again(stores, new_task(), new_task(BOB), new_task())
        taken = [task for _ in range(3) for task in await stores.upkeep.rescue_expired_leases(1, 1, 0.2)]
        assert [task.status for task in taken] == [TaskStatus.QUEUED] * 3
        assert len(await stores.tasks.claim(await register(stores), [LANE], 10)) == 2
        (parted,) = await stores.eventually(lambda: stores.upkeep.release_due_tasks(10))
        assert (await claim_one(stores)).task.id == parted.id

    async def test_the_pause_apart_costs_no_time_in_the_queue(self, stores: Stores):
        limits = Limits(queue_seconds=0.4)
        await lose_together_again(stores, new_task(limits=limits), new_task(BOB, limits=limits))
        await stores.upkeep.rescue_expired_leases(1, 10, 0.6)
        others = await claim_one(stores)

        async def ended_or_released() -> list[Task]:
            return [*await stores.upkeep.expire_tasks(10), *await stores.upkeep.release_due_tasks(10)]

        (parted,) = await stores.eventually(ended_or_released)
        assert parted.id != others.task.id
        assert (await claim_one(stores)).task.id == parted.id
        await settle(stores, others, TaskStatus.QUEUED)

    async def test_only_failures_since_the_journal_last_grew_count(self, stores: Stores):
        task = await submit_one(stores)
        for attempt in range(4):
            worker_id = await register(stores)
            claimed = await claim_one(stores, worker_id)
            await stores.journal.append([entry(claimed, f"m{attempt}")])
            (rescued,) = await lose_worker(stores, worker_id, max_retries=1)
            assert (rescued.id, rescued.status, rescued.failures) == (task.id, TaskStatus.QUEUED, 1)

    async def test_no_more_than_the_limit_are_taken(self, stores: Stores):
        worker_id = await register(stores)
        await submit(stores, *(new_task() for _ in range(5)))
        await stores.tasks.claim(worker_id, [LANE], 5)
        await stores.workers.deregister(worker_id)
        counts = [len(await stores.upkeep.rescue_expired_leases(3, 2)) for _ in range(4)]
        assert counts == [2, 2, 1, 0]

    async def test_two_at_the_same_time_take_each_task_once(self, stores: Stores):
        worker_id = await register(stores)
        await submit(stores, *(new_task() for _ in range(20)))
        await stores.tasks.claim(worker_id, [LANE], 20)
        await stores.workers.deregister(worker_id)
        together = await asyncio.gather(*(stores.upkeep.rescue_expired_leases(3, 20) for _ in range(4)))
        rescued = [task for tasks in together for task in tasks]
        assert len({task.id for task in rescued}) == len(rescued)
        rescued.extend(await stores.upkeep.rescue_expired_leases(3, 20))
        assert len(rescued) == 20
        assert {task.failures for task in rescued} == {1}


class ReleaseContract:
    """`TaskUpkeep.release_due_tasks`, `release_blocked_tasks` and `lanes_with_work`, given `stores`."""

    async def test_a_task_whose_time_has_come_is_claimable(self, stores: Stores):
        failed = await run_one(stores)
        await settle(stores, failed, TaskStatus.QUEUED, run_after_seconds=0.3)
        assert await stores.upkeep.release_due_tasks(10) == []
        (due,) = await stores.eventually(lambda: stores.upkeep.release_due_tasks(10))
        assert (due.id, due.status) == (failed.task.id, TaskStatus.QUEUED)
        assert await stores.upkeep.release_due_tasks(10) == []
        assert (await claim_one(stores)).task.id == failed.task.id

    async def test_no_more_than_the_limit_are_made_claimable(self, stores: Stores):
        for _ in range(3):
            await settle(stores, await run_one(stores), TaskStatus.QUEUED, run_after_seconds=0.01)
        released: list[int] = []

        async def all_released() -> bool:
            released.append(len(await stores.upkeep.release_due_tasks(2)))
            return sum(released) == 3

        await stores.eventually(all_released)
        assert max(released) <= 2

    async def test_a_session_in_good_order_has_nothing_to_repair(self, stores: Stores):
        for task in (await park(stores), (await run_one(stores)).task, await submit_one(stores)):
            await submit_one(stores, session_id=task.session_id)
        assert await stores.upkeep.release_blocked_tasks(10) == []

    async def test_lanes_with_work_are_those_with_a_claimable_task(self, stores: Stores):
        assert await stores.upkeep.lanes_with_work() == []
        running = await run_one(stores, agent="support")
        await submit_one(stores, session_id=running.task.session_id, agent="blocked")
        await settle(stores, await run_one(stores), TaskStatus.QUEUED, run_after_seconds=60)
        assert await stores.upkeep.lanes_with_work() == []
        await submit(stores, new_task(agent="billing"), new_task(agent="billing"), new_task(version="2"))
        assert sorted(await stores.upkeep.lanes_with_work()) == ["billing@1", "support@2"]


class ExpiryContract:
    """`TaskUpkeep.expire_tasks`, given `stores`."""

    async def test_tasks_within_their_time_stay(self, stores: Stores):
        task = await submit_one(stores)
        await submit_one(stores, session_id=task.session_id)
        assert await stores.upkeep.expire_tasks(10) == []

    @pytest.mark.parametrize("status", ["queued", "waiting", "retrying"])
    async def test_a_task_that_waited_too_long_expires_and_releases_its_session(self, stores: Stores, status: str):
        match status:
            case "queued":
                task = await submit_one(stores, limits=SOON)
            case "waiting":
                task = await park(stores, limits=SOON)
            case _:
                failed = await run_one(stores, limits=SOON)
                task = (await settle(stores, failed, TaskStatus.QUEUED, run_after_seconds=60)).task
        behind = await submit_one(stores, session_id=task.session_id)
        expired, released = await stores.eventually(lambda: stores.upkeep.expire_tasks(10))
        assert expired == await stores.tasks.find(ALICE, task.id)
        assert (expired.status, expired.changes[-1].status) == (TaskStatus.EXPIRED, TaskStatus.EXPIRED)
        assert expired.changes[-1].number == changed_number(0, task.attempt, len(task.changes), TaskStatus.EXPIRED)
        assert expired.reason
        assert ("one that was started may have happened" in expired.reason) is (status == "waiting")
        assert expired.ended_at is not None
        assert (released.id, released.status) == (behind.id, TaskStatus.QUEUED)

    async def test_a_blocked_task_expires_and_leaves_its_session_alone(self, stores: Stores):
        running = await run_one(stores)
        blocked = await submit_one(stores, session_id=running.task.session_id, limits=SOON)
        behind = await submit_one(stores, session_id=running.task.session_id)
        (expired,) = await stores.eventually(lambda: stores.upkeep.expire_tasks(10))
        assert (expired.id, expired.status) == (blocked.id, TaskStatus.EXPIRED)
        assert await stores.tasks.find(ALICE, running.task.id) == running.task
        assert (await stores.tasks.find(ALICE, behind.id)).status is TaskStatus.BLOCKED

    async def test_a_running_task_does_not_expire(self, stores: Stores):
        running = await run_one(stores, limits=Limits(queue_seconds=0.01, waiting_seconds=0.01))
        behind = await submit_one(stores, session_id=running.task.session_id, limits=SOON)
        expired = await stores.eventually(lambda: stores.upkeep.expire_tasks(10))
        assert [task.id for task in expired] == [behind.id]

    async def test_the_time_in_the_queue_starts_anew_when_it_is_queued_again(self, stores: Stores):
        half_a_second = Limits(queue_seconds=0.5)
        older = await run_one(stores, limits=half_a_second)
        witness = await submit_one(stores, limits=half_a_second)
        expired = await stores.eventually(lambda: stores.upkeep.expire_tasks(10))
        assert [task.id for task in expired] == [witness.id]
        await settle(stores, older, TaskStatus.QUEUED)
        assert await stores.upkeep.expire_tasks(10) == []
        assert (await claim_one(stores)).task.id == older.task.id

    async def test_waiting_for_a_person_has_a_limit_of_its_own(self, stores: Stores):
        parked = await park(stores, limits=Limits(queue_seconds=0.01))
        witness = await submit_one(stores, limits=SOON)
        expired = await stores.eventually(lambda: stores.upkeep.expire_tasks(10))
        assert [task.id for task in expired] == [witness.id]
        assert (await stores.tasks.find(ALICE, parked.id)).status is TaskStatus.WAITING

    async def test_two_at_the_same_time_end_each_task_once(self, stores: Stores):
        tasks = await submit(stores, *(new_task(limits=SOON) for _ in range(10)))
        ended: list[object] = []

        async def all_ended() -> bool:
            together = await asyncio.gather(*(stores.upkeep.expire_tasks(10) for _ in range(3)))
            ended.extend(task.id for changed in together for task in changed)
            return len(ended) >= 10

        await stores.eventually(all_ended)
        assert sorted(map(str, ended)) == [str(task.id) for task in tasks]


class TaskUpkeepContract(RescueContract, ReleaseContract, ExpiryContract):
    """A `TaskUpkeep`, given `stores`."""


async def lose_together_again(stores: Stores, *tasks: NewTask) -> None:
    """Tasks that one worker took with it for the second time, nobody having looked at the second time yet."""
    await submit(stores, *tasks)
    for _ in range(2):
        assert len(await stores.upkeep.rescue_expired_leases(1, 100)) in (0, len(tasks))
        worker_id = await register(stores)
        assert len(await stores.tasks.claim(worker_id, [LANE], 100)) == len(tasks)
        await stores.workers.deregister(worker_id)


async def lose_the_worker_of_the_next_task(stores: Stores, max_retries: int) -> list[Task]:
    worker_id = await register(stores)
    await claim_one(stores, worker_id)
    return await lose_worker(stores, worker_id, max_retries)
