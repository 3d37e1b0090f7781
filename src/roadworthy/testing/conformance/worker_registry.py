"""What every `WorkerRegistry` must do."""

from __future__ import annotations

from uuid import uuid4

from roadworthy.domain.task import TaskStatus
from roadworthy.ports.worker_registry import Heartbeat, Worker
from roadworthy.testing.conformance.scenario import (
    ALICE,
    LANE,
    claim_one,
    lose_worker,
    register,
    run_one,
    settle,
)
from roadworthy.testing.conformance.stores import Stores


class WorkerRegistryContract:
    """A `WorkerRegistry`, given `stores`."""

    async def test_a_heartbeat_extends_the_lease(self, stores: Stores):
        extended = await register(stores, lease_seconds=0.5)
        kept = await run_one(stores, worker_id=extended)
        assert await stores.workers.heartbeat(extended, 60) == Heartbeat([])
        lost = await run_one(stores, worker_id=await register(stores, lease_seconds=0.7))
        rescued = await stores.eventually(lambda: stores.upkeep.rescue_expired_leases(3, 10))
        assert [task.id for task in rescued] == [lost.task.id]
        assert await stores.tasks.find(ALICE, kept.task.id) == kept.task

    async def test_a_heartbeat_can_shorten_the_lease(self, stores: Stores):
        worker_id = await register(stores)
        await run_one(stores, worker_id=worker_id)
        await stores.workers.heartbeat(worker_id, 0.05)
        assert len(await stores.eventually(lambda: stores.upkeep.rescue_expired_leases(3, 10))) == 1

    async def test_a_worker_whose_lease_ran_out_is_told(self, stores: Stores):
        worker_id = await register(stores, lease_seconds=0.3)
        await run_one(stores, worker_id=worker_id)
        await stores.eventually(lambda: stores.upkeep.rescue_expired_leases(3, 10))
        assert await stores.workers.heartbeat(worker_id, 60) is None
        assert await stores.tasks.claim(worker_id, [LANE], 10) == []

    async def test_a_lease_that_ran_out_goes_on_until_somebody_took_the_tasks(self, stores: Stores):
        worker_id = await register(stores, lease_seconds=0.2)
        kept = await run_one(stores, worker_id=worker_id)
        await stores.pass_time(0.3)
        assert await stores.tasks.claim(worker_id, [LANE], 10) == []
        assert await stores.workers.heartbeat(worker_id, 60) == Heartbeat([])
        assert await stores.upkeep.rescue_expired_leases(3, 10) == []
        assert await stores.tasks.find(ALICE, kept.task.id) == kept.task

    async def test_registering_again_gives_no_lease_once_it_was_ended(self, stores: Stores):
        worker = Worker(uuid4(), {LANE: "digest"}, "here", 1)
        for _ in range(2):
            await stores.workers.register(worker, 60)
            assert await stores.workers.heartbeat(worker.id, 60) == Heartbeat([])
        await run_one(stores, worker_id=worker.id)
        await lose_worker(stores, worker.id)
        await stores.workers.register(worker, 60)
        assert await stores.workers.heartbeat(worker.id, 60) is None
        assert await stores.tasks.claim(worker.id, [LANE], 10) == []

    async def test_a_worker_that_is_not_registered_is_told(self, stores: Stores):
        assert await stores.workers.heartbeat(uuid4(), 60) is None

    async def test_a_worker_comes_back_as_another_one(self, stores: Stores):
        lost = await register(stores)
        claimed = await run_one(stores, worker_id=lost)
        await lose_worker(stores, lost)
        again = await claim_one(stores, await register(stores))
        assert (again.task.id, again.task.attempt) == (claimed.task.id, 2)
        assert await stores.workers.heartbeat(lost, 60) is None

    async def test_registering_again_after_a_lost_acknowledgement_does_no_harm(self, stores: Stores):
        worker = Worker(uuid4(), {LANE: "digest"}, "here", 1)
        for _ in range(2):
            await stores.workers.register(worker, 60)
        assert await stores.workers.heartbeat(worker.id, 60) == Heartbeat([])

    async def test_a_heartbeat_names_the_workers_cancelled_tasks(self, stores: Stores):
        worker_id, other = await register(stores), await register(stores)
        mine = [await run_one(stores, worker_id=worker_id) for _ in range(3)]
        theirs = await run_one(stores, worker_id=other)
        for claimed in (*mine[:2], theirs):
            await stores.tasks.cancel(ALICE, claimed.task.id)
        for _ in range(2):
            heartbeat = await stores.workers.heartbeat(worker_id, 60)
            assert heartbeat is not None
            assert set(heartbeat.cancelled) == {each.task.id for each in mine[:2]}
        await settle(stores, mine[0])
        assert await stores.workers.heartbeat(worker_id, 60) == Heartbeat([mine[1].task.id])

    async def test_a_worker_that_ended_has_no_lease(self, stores: Stores):
        worker_id = await register(stores)
        for _ in range(2):
            await stores.workers.deregister(worker_id)
        assert await stores.workers.heartbeat(worker_id, 60) is None

    async def test_ending_all_leases_frees_what_all_workers_held(self, stores: Stores):
        workers = [await register(stores) for _ in range(3)]
        claimed = [await run_one(stores, worker_id=worker_id) for worker_id in workers]
        await stores.workers.end_all_leases()
        rescued = await stores.upkeep.rescue_expired_leases(3, 10)
        assert {task.id for task in rescued} == {each.task.id for each in claimed}
        assert {task.status for task in rescued} == {TaskStatus.QUEUED}
        assert [await stores.workers.heartbeat(worker_id, 60) for worker_id in workers] == [None] * 3
        assert len(await stores.tasks.claim(await register(stores), [LANE], 10)) == 3
