"""Which tier answered a task, and which one its session holds."""

from __future__ import annotations

import pytest

from roadworthy.domain.task import TaskStatus
from roadworthy.testing.conformance.scenario import ALICE, claim_one, end_of, register, run_one, settle
from roadworthy.testing.conformance.stores import Stores

ENDS = [TaskStatus.SUCCEEDED, TaskStatus.PARTIAL, TaskStatus.CANCELLED, TaskStatus.DEAD]


class TierContract:
    async def test_a_new_task_has_no_tier_and_its_session_holds_none(self, stores: Stores):
        claimed = await run_one(stores)
        assert (claimed.task.tier, claimed.tier) == (None, None)

    @pytest.mark.parametrize("status", ENDS)
    async def test_a_session_holds_the_tier_that_its_task_ended_with(self, stores: Stores, status: TaskStatus):
        first = await run_one(stores)
        ended = (await settle(stores, first, status, tier="complex", session_tier="complex")).task
        assert ended.tier == "complex"
        assert (await stores.tasks.find(ALICE, first.task.id)).tier == "complex"
        second = await run_one(stores, session_id=first.task.session_id)
        assert (second.task.tier, second.tier) == (None, "complex")

    async def test_the_first_tier_that_a_session_holds_stays(self, stores: Stores):
        first = await run_one(stores)
        await settle(stores, first, tier="simple", session_tier="simple")
        second = await run_one(stores, session_id=first.task.session_id)
        await settle(stores, second, tier="complex", session_tier="complex")
        assert (await run_one(stores, session_id=first.task.session_id)).tier == "simple"

    async def test_a_tier_of_one_task_alone_leaves_the_session_without(self, stores: Stores):
        first = await run_one(stores)
        assert (await settle(stores, first, tier="complex")).task.tier == "complex"
        assert (await run_one(stores, session_id=first.task.session_id)).tier is None

    async def test_a_task_that_goes_on_later_keeps_its_tier_and_its_session_holds_none_yet(self, stores: Stores):
        first = await run_one(stores)
        requeued = await settle(stores, first, TaskStatus.QUEUED, tier="simple", session_tier="simple")
        assert requeued.task.tier == "simple"
        again = await claim_one(stores)
        assert (again.task.tier, again.tier) == ("simple", None)
        assert (await settle(stores, again)).task.tier == "simple"

    async def test_sessions_that_settle_together_hold_their_own(self, stores: Stores):
        first, second = [await run_one(stores) for _ in range(2)]
        ends = [end_of(first, session_tier="simple"), end_of(second, session_tier="complex")]
        await stores.tasks.settle(ends)
        held = [(await run_one(stores, session_id=one.task.session_id)).tier for one in (first, second)]
        assert held == ["simple", "complex"]

    async def test_a_worker_that_looks_for_its_claims_hears_it_too(self, stores: Stores):
        first = await run_one(stores)
        await settle(stores, first, session_tier="moderate")
        worker_id = await register(stores)
        second = await run_one(stores, worker_id=worker_id, session_id=first.task.session_id)
        assert await stores.tasks.claimed_by(worker_id, []) == [second]
        assert second.tier == "moderate"
