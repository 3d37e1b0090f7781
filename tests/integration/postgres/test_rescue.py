"""Rescue against whatever else may happen to a task or to its worker's lease at the same time."""

import asyncio

from roadworthy.domain.task import TaskStatus
from roadworthy.ports.task_store import Settled, SettleRefused
from roadworthy.testing.conformance.scenario import ALICE, BOB, claim_one, end_of, new_task, register, run_one, submit
from roadworthy.testing.conformance.stores import Stores

from .other_connection import OtherConnection

LOCK_TASK = "select from tasks where id = $1 for no key update"
LOCK_SESSION = "select from sessions where id = $1 for no key update"


async def test_a_settlement_that_is_under_way_is_not_disturbed(stores: Stores, other: OtherConnection):
    claimed = await run_one(stores)
    await stores.workers.end_all_leases()
    async with other.holding(LOCK_TASK, claimed.task.id):
        settling = await other.until_waiting(stores.tasks.settle([end_of(claimed)]))
        assert await stores.upkeep.rescue_expired_leases(3, 10) == []
    assert isinstance((await settling)[0], Settled)
    assert await stores.upkeep.rescue_expired_leases(3, 10) == []
    assert (await stores.tasks.find(ALICE, claimed.task.id)).status is TaskStatus.SUCCEEDED


async def test_a_settlement_that_comes_during_a_rescue_is_refused(stores: Stores, other: OtherConnection):
    claimed = await run_one(stores)
    await stores.workers.end_all_leases()
    async with other.holding(LOCK_TASK, claimed.task.id):
        rescuing = await other.until_waiting(stores.upkeep.rescue_expired_leases(3, 10))
        settling = await other.until_waiting(stores.tasks.settle([end_of(claimed)]), behind=1)
    assert [task.status for task in await rescuing] == [TaskStatus.QUEUED]
    assert await settling == [SettleRefused()]
    assert (await claim_one(stores)).task.attempt == 2


async def test_an_append_that_is_under_way_is_seen_by_the_next_attempt(stores: Stores, other: OtherConnection):
    claimed = await run_one(stores)
    await stores.workers.end_all_leases()
    async with other.holding(LOCK_TASK, claimed.task.id) as connection:
        rescuing = await other.until_waiting(stores.upkeep.rescue_expired_leases(3, 10))
        await connection.execute("update tasks set journal_length = 5, failures = 0")
    (rescued,) = await rescuing
    assert (rescued.journal_length, rescued.failures) == (5, 1)


async def test_tasks_lost_together_have_company_also_if_a_session_is_locked(stores: Stores, other: OtherConnection):
    tasks = await submit(stores, new_task(), new_task(BOB))
    for _ in range(2):
        assert len(await stores.upkeep.rescue_expired_leases(1, 10)) in (0, 2)
        worker_id = await register(stores)
        assert len(await stores.tasks.claim(worker_id, ["support@1"], 10)) == 2
        await stores.workers.deregister(worker_id)
    async with other.holding(LOCK_SESSION, tasks[0].session_id):
        first = await stores.upkeep.rescue_expired_leases(1, 10)
    second = await stores.upkeep.rescue_expired_leases(1, 10)
    assert [(task.id, task.status) for task in (*first, *second)] == [
        (tasks[1].id, TaskStatus.QUEUED),
        (tasks[0].id, TaskStatus.QUEUED),
    ]
    assert await other.connection.fetchval("select count(*) from tasks where not ready") == 1


async def test_a_parted_task_that_is_cancelled_gives_back_no_tag(stores: Stores, other: OtherConnection):
    """It had used up the one that it was claimed with, and draws the next one after its pause."""
    await submit(stores, new_task(), new_task())
    for _ in range(2):
        worker_id = await register(stores)
        assert len(await stores.tasks.claim(worker_id, ["support@1"], 10)) == 2
        await stores.workers.deregister(worker_id)
        await stores.upkeep.rescue_expired_leases(3, 10)
    last_tag = await other.connection.fetchval("select last_tag from owners")
    await stores.tasks.cancel(ALICE, await other.connection.fetchval("select id from tasks where not ready"))
    assert await other.connection.fetchval("select last_tag from owners") == last_tag


async def test_two_rescues_share_the_work_and_take_no_task_twice(stores: Stores):
    worker_id = await register(stores)
    await submit(stores, *(new_task() for _ in range(30)))
    claimed = await stores.tasks.claim(worker_id, ["support@1"], 30)
    await stores.workers.deregister(worker_id)
    rescues = await asyncio.gather(*(stores.upkeep.rescue_expired_leases(3, 30) for _ in range(4)))
    rescues.append(await stores.upkeep.rescue_expired_leases(3, 30))
    rescued = [task for tasks in rescues for task in tasks]
    assert sorted(task.id for task in rescued) == sorted(each.task.id for each in claimed)
    assert {task.failures for task in rescued} == {1}


async def test_a_second_rescue_does_not_wait_for_the_first(stores: Stores, other: OtherConnection):
    claimed = await run_one(stores)
    await stores.workers.end_all_leases()
    async with other.holding(LOCK_TASK, claimed.task.id):
        first = await other.until_waiting(stores.upkeep.rescue_expired_leases(3, 10))
        assert await stores.upkeep.rescue_expired_leases(3, 10) == []
    assert len(await first) == 1


async def test_a_heartbeat_that_is_under_way_keeps_its_tasks(stores: Stores, other: OtherConnection):
    worker_id = await register(stores, lease_seconds=60)
    await run_one(stores, worker_id=worker_id)
    await stores.workers.deregister(worker_id)
    extend = "update workers set lease_expires_at = clock_timestamp() + interval '60 seconds' where id = $1"
    async with other.holding(extend, worker_id):
        assert await stores.upkeep.rescue_expired_leases(3, 10) == []
    assert await stores.upkeep.rescue_expired_leases(3, 10) == []
    assert await stores.workers.heartbeat(worker_id, 60) is not None


async def test_a_heartbeat_that_comes_during_a_rescue_finds_its_lease_lost(stores: Stores, other: OtherConnection):
    worker_id = await register(stores, lease_seconds=60)
    async with other.holding("select from workers where id = $1 for no key update", worker_id) as connection:
        beat = await other.until_waiting(stores.workers.heartbeat(worker_id, 60))
        await connection.execute("update workers set lease_expires_at = '-infinity'")
    assert await beat is None


async def test_a_claim_that_comes_during_an_expiry_waits_for_nothing(stores: Stores, other: OtherConnection):
    task = (await submit(stores, new_task()))[0]
    await other.connection.execute("update tasks set expires_at = clock_timestamp()")
    async with other.holding(LOCK_SESSION, task.session_id):
        assert await stores.upkeep.expire_tasks(10) == []
        assert (await claim_one(stores)).task.id == task.id
    assert await stores.upkeep.expire_tasks(10) == []
