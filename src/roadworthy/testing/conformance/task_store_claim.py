"""Claiming: never twice, only by the living, in an order that is fair."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from roadworthy.domain.event import changed_number
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Claimed, TaskStatus
from roadworthy.testing.conformance.scenario import (
    ALICE,
    ALICE_ELSEWHERE,
    BOB,
    LANE,
    claim_one,
    lose_worker,
    new_task,
    register,
    run_one,
    settle,
    statuses,
    submit,
    submit_one,
    turn,
)
from roadworthy.testing.conformance.stores import Stores


class ClaimContract:
    async def test_a_claimed_task_runs(self, stores: Stores):
        queued = await submit_one(stores)
        claimed = await claim_one(stores)
        task = claimed.task
        assert task == await stores.tasks.find(ALICE, queued.id)
        assert (task.status, task.attempt, task.failures) == (TaskStatus.RUNNING, 1, 0)
        assert statuses(task) == [TaskStatus.QUEUED, TaskStatus.RUNNING]
        assert task.changes[-1].number == changed_number(0, 1, 1, TaskStatus.RUNNING)
        assert task.started_at == pytest.approx(task.changes[-1].at, abs=1)
        assert claimed.turns == 0

    async def test_each_claim_counts_an_attempt_and_makes_a_new_token(self, stores: Stores):
        worker_id = await register(stores)
        first = await run_one(stores, worker_id=worker_id)
        await settle(stores, first, TaskStatus.QUEUED)
        second = await claim_one(stores, worker_id)
        assert (first.task.attempt, second.task.attempt) == (1, 2)
        assert first.claim_token != second.claim_token
        assert second.task.started_at == first.task.started_at
        numbers = [change.number for change in second.task.changes]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == changed_number(0, 2, 3, TaskStatus.RUNNING)

    async def test_only_tasks_of_the_lanes_asked_for(self, stores: Stores):
        worker_id = await register(stores, lanes=["support@1", "support@2", "billing@1"])
        wanted = await submit(stores, new_task(version="2"), new_task(agent="billing"))
        await submit_one(stores)
        claimed = await stores.tasks.claim(worker_id, ["support@2", "billing@1"], 10)
        assert {each.task.id for each in claimed} == {task.id for task in wanted}

    async def test_no_more_than_the_limit_over_all_lanes(self, stores: Stores):
        worker_id = await register(stores, lanes=["support@1", "billing@1"])
        await submit(stores, *(new_task(agent=agent) for agent in ("support", "billing") * 4))
        assert len(await stores.tasks.claim(worker_id, ["support@1", "billing@1"], 3)) == 3
        assert len(await stores.tasks.claim(worker_id, ["support@1", "billing@1"], 10)) == 5
        assert await stores.tasks.claim(worker_id, ["support@1", "billing@1"], 10) == []

    async def test_a_blocked_task_is_not_claimed(self, stores: Stores):
        claimed = await run_one(stores)
        await submit_one(stores, session_id=claimed.task.session_id)
        assert await stores.tasks.claim(await register(stores), [LANE], 10) == []

    async def test_nothing_for_a_worker_that_never_registered(self, stores: Stores):
        await submit_one(stores)
        assert await stores.tasks.claim(uuid4(), [LANE], 10) == []

    async def test_nothing_for_a_worker_that_has_ended(self, stores: Stores):
        worker_id = await register(stores)
        await stores.workers.deregister(worker_id)
        await submit_one(stores)
        assert await stores.tasks.claim(worker_id, [LANE], 10) == []

    async def test_nothing_for_a_worker_whose_lease_ran_out(self, stores: Stores):
        worker_id = await register(stores, lease_seconds=0.3)
        await run_one(stores, worker_id=worker_id)
        await stores.eventually(lambda: stores.upkeep.rescue_expired_leases(3, 10))
        assert await stores.tasks.claim(worker_id, [LANE], 10) == []

    async def test_a_task_is_never_claimed_by_two(self, stores: Stores):
        tasks = await submit(stores, *(new_task(Principal("acme", f"user {n % 5}")) for n in range(60)))
        workers = [await register(stores) for _ in range(8)]
        claims = [await asyncio.gather(*(stores.tasks.claim(w, [LANE], 3) for w in workers)) for _ in range(3)]
        claims.append([await stores.tasks.claim(workers[0], [LANE], 100)])
        claimed = [each.task.id for round_ in claims for batch in round_ for each in batch]
        assert sorted(claimed) == sorted(task.id for task in tasks)

    async def test_one_task_wanted_by_many_goes_to_one(self, stores: Stores):
        await submit_one(stores)
        workers = [await register(stores) for _ in range(8)]
        claims = await asyncio.gather(*(stores.tasks.claim(worker_id, [LANE], 1) for worker_id in workers))
        assert sorted(map(len, claims)) == [0] * 7 + [1]

    async def test_a_claim_says_how_many_turns_the_session_had(self, stores: Stores):
        first = await run_one(stores)
        await settle(stores, first, turn=turn("one"))
        second = await run_one(stores, session_id=first.task.session_id)
        assert (first.turns, second.turns) == (0, 1)


class ClaimOrderContract:
    async def test_a_claim_whose_answer_was_lost_can_be_asked_for(self, stores: Stores):
        worker_id, other_id = await register(stores), await register(stores)
        known, lost, of_another, done = [await submit_one(stores) for _ in range(4)]
        claimed = {
            one.task.id: one
            for id, limit in ((worker_id, 2), (other_id, 1), (worker_id, 1))
            for one in await stores.tasks.claim(id, [LANE], limit)
        }
        await settle(stores, claimed[done.id])
        assert await stores.tasks.claimed_by(worker_id, [known.id]) == [claimed[lost.id]]
        assert [one.task.id for one in await stores.tasks.claimed_by(other_id, [])] == [of_another.id]
        assert await stores.tasks.claimed_by(worker_id, [known.id, lost.id]) == []

    async def test_older_tasks_of_one_owner_go_first(self, stores: Stores):
        tasks = [await submit_one(stores) for _ in range(5)]
        assert await claim_singly(stores, 5) == [(ALICE.user, task.id) for task in tasks]

    async def test_higher_priorities_go_first(self, stores: Stores):
        tasks = await submit(stores, *(new_task(priority=priority) for priority in (0, 9, 4)))
        assert [each for _, each in await claim_singly(stores, 3)] == [tasks[1].id, tasks[2].id, tasks[0].id]

    async def test_priority_counts_over_all_lanes_of_a_worker(self, stores: Stores):
        worker_id = await register(stores, lanes=["support@1", "billing@1"])
        await submit(stores, *(new_task(priority=1) for _ in range(3)))
        (urgent,) = await submit(stores, new_task(agent="billing", priority=2))
        (claimed,) = await stores.tasks.claim(worker_id, ["support@1", "billing@1"], 1)
        assert claimed.task.id == urgent.id

    async def test_owners_with_backlogs_share_evenly(self, stores: Stores):
        await submit(stores, *(new_task(ALICE) for _ in range(12)))
        await submit(stores, *(new_task(BOB) for _ in range(12)))
        users = [user for user, _ in await claim_singly(stores, 12)]
        assert users.count(ALICE.user) == 6

    async def test_the_same_user_name_in_another_tenant_is_another_owner(self, stores: Stores):
        await submit(stores, *(new_task(ALICE) for _ in range(6)))
        elsewhere = await submit(stores, *(new_task(ALICE_ELSEWHERE) for _ in range(6)))
        claimed = {each for _, each in await claim_singly(stores, 6)}
        assert len(claimed & {task.id for task in elsewhere}) == 3

    async def test_a_newcomer_goes_in_front_of_a_backlog(self, stores: Stores):
        await submit(stores, *(new_task(ALICE) for _ in range(20)))
        await claim_singly(stores, 3)
        await submit_one(stores, BOB)
        assert BOB.user in [user for user, _ in await claim_singly(stores, 2)]

    async def test_a_newcomer_gains_nothing_by_having_waited_outside(self, stores: Stores):
        await submit(stores, *(new_task(ALICE) for _ in range(20)))
        await claim_singly(stores, 10)
        await submit(stores, *(new_task(BOB) for _ in range(20)))
        users = [user for user, _ in await claim_singly(stores, 8)]
        assert 3 <= users.count(ALICE.user) <= 5

    async def test_a_requeued_task_takes_its_place_anew(self, stores: Stores):
        await submit(stores, *(new_task(ALICE) for _ in range(5)))
        claimed = await claim_one(stores)
        await settle(stores, claimed, TaskStatus.QUEUED)
        order = [each for _, each in await claim_singly(stores, 5)]
        assert order[-1] == claimed.task.id

    async def test_a_rescued_task_takes_its_place_anew(self, stores: Stores):
        worker_id = await register(stores)
        await submit(stores, *(new_task(ALICE) for _ in range(5)))
        claimed = await claim_one(stores, worker_id)
        await lose_worker(stores, worker_id)
        order = [each for _, each in await claim_singly(stores, 5)]
        assert order[-1] == claimed.task.id


async def claim_singly(stores: Stores, count: int) -> list[tuple[str, UUID]]:
    """(user, task id) of the next tasks, each claimed by itself."""
    worker_id = await register(stores)
    claimed: list[Claimed] = [await claim_one(stores, worker_id) for _ in range(count)]
    return [(each.task.principal.user, each.task.id) for each in claimed]
