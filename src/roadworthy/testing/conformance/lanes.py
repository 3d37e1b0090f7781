"""What every `Lanes` must do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from roadworthy.domain.errors import JournalMismatch, NotAllowed
from roadworthy.domain.event import changed_number
from roadworthy.domain.lane import nobody_serves
from roadworthy.domain.limits import Limits
from roadworthy.domain.operator_action import ActionKind
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Claimed, Task, TaskStatus
from roadworthy.ports.lanes import MOST_EXPLANATIONS, LaneLoad
from roadworthy.ports.worker_registry import Worker
from roadworthy.testing.conformance.scenario import (
    ALICE,
    BOB,
    LANE,
    claim_one,
    entry,
    lose_worker,
    new_task,
    register,
    run_one,
    settle,
    statuses,
    submit,
    submit_one,
)
from roadworthy.testing.conformance.stores import Stores

OPERATOR = Principal("operations", "olga", frozenset({"operator"}))
OTHER = "support@2"
REASON = f"{nobody_serves(LANE)}; start one"


async def load_of(stores: Stores, lane: str = LANE) -> LaneLoad | None:
    return next((load for load in await stores.lanes.loads() if load.lane == lane), None)


async def register_continuing(stores: Stores) -> UUID:
    """A worker of version 2 that takes tasks of version 1 as well."""
    worker = Worker(uuid4(), {OTHER: "new", LANE: "new"}, "here", 1, continued={LANE: "2"})
    await stores.workers.register(worker, 60)
    return worker.id


async def park_for_mismatch(stores: Stores, claimed: Claimed) -> Task:
    error = json.dumps({"code": JournalMismatch.code, "message": "other code"}).encode()
    parked = (await settle(stores, claimed, TaskStatus.WAITING, reason="other code", error=error)).task
    await stores.pass_time(0.01)
    return parked


class LaneLoadsContract:
    """`Lanes.loads` and `open_tasks`, given `stores`."""

    async def test_a_lane_counts_what_is_ready_and_what_runs(self, stores: Stores):
        worker_id = await register(stores)
        await submit(stores, *(new_task() for _ in range(4)))
        await stores.tasks.claim(worker_id, [LANE], 1)
        load = await load_of(stores)
        assert load is not None
        assert (load.queued, load.running, load.depth, load.workers) == (3, 1, 4, 1)
        assert (load.unserved_seconds, load.stranded) == (0, False)

    async def test_what_is_not_ready_is_no_load(self, stores: Stores):
        worker_id = await register(stores)
        running = await run_one(stores, worker_id=worker_id)
        await submit_one(stores, session_id=running.task.session_id)
        await settle(stores, running, TaskStatus.QUEUED, run_after_seconds=60)
        await settle(stores, await run_one(stores, worker_id=worker_id), TaskStatus.WAITING)
        assert await load_of(stores) == LaneLoad(LANE, 0, 0, 0, 1, paused=1, undecided=1)
        assert await stores.lanes.open_tasks() == {LANE: 3}

    async def test_a_lane_with_nothing_but_paused_tasks_is_there_and_not_stranded(self, stores: Stores):
        worker_id = await register(stores)
        await settle(stores, await run_one(stores, worker_id=worker_id), TaskStatus.QUEUED, run_after_seconds=60)
        await stores.workers.deregister(worker_id)
        (load,) = await stores.lanes.loads()
        assert (load.queued, load.paused, load.oldest_seconds, load.stranded) == (0, 1, 0, False)

    async def test_a_lane_counts_what_waits_for_whom(self, stores: Stores):
        worker_id = await register(stores)
        for _ in range(2):
            await settle(stores, await run_one(stores, worker_id=worker_id), TaskStatus.WAITING)
        parked = await run_one(stores, worker_id=worker_id)
        await park_for_mismatch(stores, parked)
        await stores.workers.deregister(worker_id)
        assert await stores.lanes.loads() == [LaneLoad(LANE, 0, 0, 0, 0, undecided=2, parked=1)]

    async def test_dead_tasks_are_counted(self, stores: Stores):
        assert await stores.lanes.dead_tasks() == 0
        await settle(stores, await run_one(stores), TaskStatus.DEAD, error=b'{"code": "failed", "message": ""}')
        await settle(stores, await run_one(stores), TaskStatus.SUCCEEDED)
        assert await stores.lanes.dead_tasks() == 1

    async def test_lanes_appear_by_name_while_they_have_tasks_or_workers(self, stores: Stores):
        assert await stores.lanes.loads() == []
        worker_id = await register(stores, lanes=(LANE, "billing@1"))
        await submit(stores, new_task(version="2"), new_task(agent="sales"))
        assert [load.lane for load in await stores.lanes.loads()] == ["billing@1", "sales@1", LANE, OTHER]
        await stores.workers.deregister(worker_id)
        assert [load.lane for load in await stores.lanes.loads()] == ["sales@1", OTHER]
        assert await stores.lanes.open_tasks() == {"sales@1": 1, OTHER: 1}

    async def test_the_oldest_is_the_one_that_is_ready_for_longest(self, stores: Stores):
        worker_id = await register(stores)
        handed_over = await run_one(stores, worker_id=worker_id)
        await stores.pass_time(0.6)
        await submit_one(stores)
        await settle(stores, handed_over, TaskStatus.QUEUED)
        await stores.pass_time(0.1)
        load = await load_of(stores)
        assert load is not None
        assert 0.09 <= load.oldest_seconds < 0.6

    @pytest.mark.parametrize(
        "how", ["handed over", "released", "rescued", "parked and tried again", "parked and moved"]
    )
    async def test_a_task_is_as_old_as_it_is_ready_however_it_came_there(self, stores: Stores, how: str):
        worker_id = await register(stores)
        claimed = await run_one(stores, worker_id=worker_id)
        lane = LANE
        if how == "released":
            await submit_one(stores, session_id=claimed.task.session_id)
        if how.startswith("parked"):
            await park_for_mismatch(stores, claimed)
        await stores.pass_time(0.6)
        match how:
            case "handed over":
                await settle(stores, claimed, TaskStatus.QUEUED)
            case "released":
                await settle(stores, claimed, TaskStatus.SUCCEEDED)
            case "rescued":
                await lose_worker(stores, worker_id)
            case "parked and tried again":
                await register(stores)
                await stores.lanes.release_parked_tasks(10)
            case _:
                lane = "support@3"
                await stores.lanes.move(OPERATOR, LANE, "3", 10, parked=True)
        await stores.pass_time(0.1)
        load = await load_of(stores, lane)
        assert load is not None
        assert load.queued == 1
        assert 0.09 <= load.oldest_seconds < 0.6

    async def test_a_moved_task_is_as_old_as_before_and_its_new_lane_as_long_unserved(self, stores: Stores):
        worker_id = await register(stores)
        handed_over = await run_one(stores, worker_id=worker_id)
        await stores.pass_time(0.6)
        await settle(stores, handed_over, TaskStatus.QUEUED)
        await stores.pass_time(0.1)
        await stores.lanes.move(OPERATOR, LANE, "3", 10)
        load = await load_of(stores, "support@3")
        assert load is not None
        assert 0.09 <= load.oldest_seconds == load.unserved_seconds < 0.6

    async def test_among_many_it_is_as_old_as_the_first_that_was_accepted(self, stores: Stores):
        await submit(stores, *(new_task() for _ in range(250)))
        await stores.pass_time(0.1)
        load = await load_of(stores)
        assert load is not None
        assert load.queued == 250
        assert load.oldest_seconds >= 0.09

    async def test_workers_count_until_their_lease_ends_or_they_take_no_more(self, stores: Stores):
        staying, leaving, dying = await register(stores), await register(stores), await register(stores, 0.2)
        await submit_one(stores)
        assert [load.workers for load in await stores.lanes.loads()] == [3]
        await stores.workers.withdraw(leaving)
        assert await stores.workers.heartbeat(leaving, 60) is not None
        await stores.pass_time(0.3)
        assert [load.workers for load in await stores.lanes.loads()] == [1]
        await stores.workers.withdraw(dying)
        await stores.workers.deregister(staying)
        assert [load.workers for load in await stores.lanes.loads()] == [0]

    async def test_a_lane_that_never_had_a_worker_is_unserved_since_its_first_task(self, stores: Stores):
        await submit_one(stores)
        await stores.pass_time(0.1)
        load = await load_of(stores)
        assert load is not None
        assert 0.09 <= load.unserved_seconds == load.oldest_seconds

    async def test_unserved_counts_from_the_last_sign_of_a_worker(self, stores: Stores):
        worker_id = await register(stores)
        await submit_one(stores)
        await stores.pass_time(0.6)
        await stores.workers.heartbeat(worker_id, 60)
        await stores.workers.deregister(worker_id)
        await stores.pass_time(0.1)
        load = await load_of(stores)
        assert load is not None
        assert 0.09 <= load.unserved_seconds < 0.6 <= load.oldest_seconds
        assert not load.stranded
        assert replace(load, unserved_seconds=30).stranded


class MoveLaneContract:
    """`Lanes.move`, given `stores`."""

    async def test_queued_paused_and_blocked_tasks_go_to_the_other_version(self, stores: Stores):
        worker_id = await register(stores, lanes=(LANE, OTHER))
        paused = await run_one(stores, worker_id=worker_id)
        blocked = await submit_one(stores, session_id=paused.task.session_id)
        await settle(stores, paused, TaskStatus.QUEUED, run_after_seconds=60)
        queued = await submit_one(stores)
        moved = await stores.lanes.move(OPERATOR, LANE, "2", 10)
        assert {task.id for task in moved} == {paused.task.id, blocked.id, queued.id}
        assert {task.lane for task in moved} == {OTHER}
        assert {task.reason for task in moved} == {"moved from version 1 to version 2 by olga"}
        assert sorted(task.status for task in moved) == ["blocked", "queued", "queued"]
        assert list(moved) == [await stores.tasks.find(ALICE, task.id) for task in moved]
        (claimed,) = await stores.tasks.claim(worker_id, [LANE, OTHER], 10)
        assert (claimed.task.id, claimed.task.version) == (queued.id, "2")

    async def test_it_is_a_change_of_its_own_with_a_higher_number(self, stores: Stores):
        task = await submit_one(stores)
        (moved,) = await stores.lanes.move(OPERATOR, LANE, "2", 10)
        assert statuses(moved) == [TaskStatus.QUEUED] * 2
        assert moved.changes[:1] == task.changes
        assert moved.changes[1].number == changed_number(0, 0, 1, TaskStatus.QUEUED)
        assert moved.changes[1].reason == moved.reason

    async def test_running_and_waiting_tasks_stay(self, stores: Stores):
        worker_id = await register(stores)
        await settle(stores, await run_one(stores, worker_id=worker_id), TaskStatus.WAITING)
        await run_one(stores, worker_id=worker_id)
        assert await stores.lanes.move(OPERATOR, LANE, "2", 10) == []

    async def test_no_more_than_the_limit_at_once_and_the_first_ones_first(self, stores: Stores):
        tasks = await submit(stores, *(new_task() for _ in range(5)))
        moved = [{task.id for task in await stores.lanes.move(OPERATOR, LANE, "2", 2)} for _ in range(4)]
        assert moved == [{t.id for t in tasks[:2]}, {t.id for t in tasks[2:4]}, {tasks[4].id}, set()]

    async def test_they_take_fair_places_among_those_already_there(self, stores: Stores):
        """In a lane where much has been done they are as good as new ones, not in front of all others."""
        worker_id = await register(stores, lanes=(OTHER,))
        await submit(stores, *(new_task(BOB, version="2") for _ in range(8)))
        await stores.tasks.claim(worker_id, [OTHER], 5)
        await submit(stores, *(new_task(ALICE) for _ in range(3)))
        await stores.lanes.move(OPERATOR, LANE, "2", 10)
        claimed = await stores.tasks.claim(worker_id, [OTHER], 10)
        users = [each.task.principal.user for each in claimed]
        assert [set(users[place : place + 2]) for place in (0, 2, 4)] == [{"alice", "bob"}] * 3

    async def test_their_owner_comes_no_later_in_the_lane_that_they_have_left(self, stores: Stores):
        await submit(stores, *(new_task(ALICE) for _ in range(20)))
        await stores.lanes.move(OPERATOR, LANE, "2", 100)
        await submit(stores, *(new_task(BOB) for _ in range(3)))
        mine = await submit_one(stores, ALICE)
        claimed = await stores.tasks.claim(await register(stores), [LANE], 2)
        assert mine.id in [each.task.id for each in claimed]

    async def test_they_have_fresh_time_to_wait(self, stores: Stores):
        await submit_one(stores, limits=Limits(queue_seconds=0.4))
        await stores.pass_time(0.3)
        await stores.lanes.move(OPERATOR, LANE, "2", 10)
        await stores.pass_time(0.2)
        assert await stores.upkeep.expire_tasks(10) == []
        assert await stores.eventually(lambda: stores.upkeep.expire_tasks(10))

    async def test_it_is_recorded_with_who_did_it(self, stores: Stores):
        task = await submit_one(stores)
        assert await stores.lanes.move(OPERATOR, OTHER, "1", 10) == []
        await stores.lanes.move(OPERATOR, LANE, "2", 10)
        (action,) = [action for action in await stores.actions.list(OPERATOR) if action.kind is ActionKind.MOVE]
        assert (action.operator.tenant, action.operator.user) == ("operations", "olga")
        assert action.target.lane == LANE
        assert dict(action.target.detail) == {"to": OTHER, "parked": False, "task_ids": [str(task.id)]}

    async def test_only_operators_move_tasks(self, stores: Stores):
        task = await submit_one(stores)
        with pytest.raises(NotAllowed):
            await stores.lanes.move(ALICE, LANE, "2", 10)
        assert await stores.tasks.find(ALICE, task.id) == task

    async def test_two_at_once_and_claims_between_them_take_each_task_once(self, stores: Stores):
        worker_id = await register(stores)
        await submit(stores, *(new_task() for _ in range(40)))
        outcomes = await asyncio.gather(
            *(stores.lanes.move(OPERATOR, LANE, "2", 10) for _ in range(3)),
            stores.tasks.claim(worker_id, [LANE], 10),
        )
        taken = [each.task.id if isinstance(each, Claimed) else each.id for outcome in outcomes for each in outcome]
        assert len(taken) == len(set(taken))
        load, other = await load_of(stores), await load_of(stores, OTHER)
        assert (load.depth if load else 0) + (other.depth if other else 0) == 40

    async def test_a_task_that_was_parked_for_its_journal_is_queued_there(self, stores: Stores):
        worker_id = await register(stores, lanes=(LANE, OTHER))
        parked = await park_for_mismatch(stores, await run_one(stores, worker_id=worker_id))
        await settle(stores, await run_one(stores, worker_id=worker_id), TaskStatus.WAITING)
        assert await stores.lanes.move(OPERATOR, LANE, "2", 10) == []
        (moved,) = await stores.lanes.move(OPERATOR, LANE, "2", 10, parked=True)
        assert (moved.id, moved.status, moved.lane, moved.error) == (parked.id, TaskStatus.QUEUED, OTHER, None)
        (claimed,) = await stores.tasks.claim(worker_id, [OTHER], 10)
        assert claimed.task.id == parked.id


class UnservedLaneContract:
    """`Lanes.explain` and `unexplain`, given `stores`."""

    async def test_a_reason_is_a_change_of_its_own_and_set_once(self, stores: Stores):
        task = await submit_one(stores)
        (explained,) = await stores.lanes.explain(LANE, REASON, 10)
        assert (explained.id, explained.status, explained.reason) == (task.id, TaskStatus.QUEUED, REASON)
        assert explained == await stores.tasks.find(ALICE, task.id)
        assert explained.changes[-1].number == changed_number(0, 0, 1, TaskStatus.QUEUED)
        assert await stores.lanes.explain(LANE, REASON, 10) == []

    async def test_it_is_told_when_the_way_out_is_another_but_not_without_end(self, stores: Stores):
        task = await submit_one(stores)
        for number in range(MOST_EXPLANATIONS):
            (told,) = await stores.lanes.explain(LANE, f"{REASON} {number}", 10)
            assert told.reason == f"{REASON} {number}"
        assert await stores.lanes.explain(LANE, REASON, 10) == []
        assert len((await stores.tasks.find(ALICE, task.id)).changes) == 1 + MOST_EXPLANATIONS

    async def test_it_is_taken_away_again(self, stores: Stores):
        await submit_one(stores)
        await stores.lanes.explain(LANE, REASON, 10)
        (plain,) = await stores.lanes.unexplain(LANE, 10)
        assert (plain.status, plain.reason) == (TaskStatus.QUEUED, None)
        assert [change.reason for change in plain.changes] == [None, REASON, None]
        assert await stores.lanes.unexplain(LANE, 10) == []

    async def test_a_lane_that_comes_and_goes_does_not_let_changes_grow_without_end(self, stores: Stores):
        task = await submit_one(stores)
        for _ in range(MOST_EXPLANATIONS):
            assert len(await stores.lanes.explain(LANE, REASON, 10)) == 1
            assert len(await stores.lanes.unexplain(LANE, 10)) == 1
        assert await stores.lanes.explain(LANE, REASON, 10) == []
        assert (await stores.tasks.find(ALICE, task.id)).reason is None
        other = await submit_one(stores)
        assert _ids(await stores.lanes.explain(LANE, REASON, 1)) == [other.id]

    async def test_other_reasons_are_not_taken_away(self, stores: Stores):
        worker_id = await register(stores)
        await run_one(stores, worker_id=worker_id)
        await lose_worker(stores, worker_id)
        assert await stores.lanes.unexplain(LANE, 10) == []

    async def test_only_tasks_that_could_run_are_told_and_only_so_many(self, stores: Stores):
        running = await run_one(stores)
        await submit_one(stores, session_id=running.task.session_id)
        await submit(stores, *(new_task() for _ in range(3)))
        await submit_one(stores, version="2")
        told = [len(await stores.lanes.explain(LANE, REASON, 2)) for _ in range(3)]
        assert told == [2, 1, 0]
        assert [len(await stores.lanes.unexplain(LANE, 2)) for _ in range(3)] == [2, 1, 0]

    async def test_it_costs_the_task_no_time_no_place_and_no_claim(self, stores: Stores):
        first, second = await submit(stores, *(new_task(limits=Limits(queue_seconds=0.4)) for _ in range(2)))
        await stores.lanes.explain(LANE, REASON, 1)
        assert (await claim_one(stores)).task.id == first.id
        await stores.pass_time(0.2)
        await stores.lanes.explain(LANE, REASON, 1)
        (expired,) = await stores.eventually(lambda: stores.upkeep.expire_tasks(10))
        assert expired.id == second.id
        assert expired.changes[-1].at - expired.changes[0].at < 0.6


class ContinuedLaneContract:
    """Claims from a lane of an older version, and `Lanes.release_parked_tasks`, given `stores`."""

    async def test_an_older_versions_tasks_are_left_to_its_workers(self, stores: Stores):
        own, continuing = await register(stores), await register_continuing(stores)
        old, new = await submit_one(stores), await submit_one(stores, version="2")
        assert [each.task.id for each in await stores.tasks.claim(continuing, [LANE, OTHER], 10)] == [new.id]
        assert [each.task.id for each in await stores.tasks.claim(own, [LANE], 10)] == [old.id]

    async def test_they_are_continued_when_its_last_worker_takes_no_more(self, stores: Stores):
        workers = [await register(stores) for _ in range(3)]
        continuing = await register_continuing(stores)
        await submit_one(stores)
        await stores.workers.deregister(workers[0])
        await stores.workers.heartbeat(workers[1], 0.1)
        await stores.pass_time(0.2)
        assert await stores.tasks.claim(continuing, [OTHER, LANE], 10) == []
        await stores.workers.withdraw(workers[2])
        (claimed,) = await stores.tasks.claim(continuing, [OTHER, LANE], 10)
        assert (claimed.task.version, claimed.task.reason) == ("1", "continued by version 2")
        assert claimed.task.changes[-1].reason == "continued by version 2"

    async def test_a_worker_that_has_withdrawn_gets_none_any_more(self, stores: Stores):
        await register(stores)
        continuing = await register_continuing(stores)
        await submit(stores, new_task(), new_task(version="2"))
        await stores.workers.withdraw(continuing)
        assert await stores.tasks.claim(continuing, [OTHER, LANE], 10) == []

    async def test_a_newer_version_takes_its_own_tasks_without_a_reason(self, stores: Stores):
        await submit_one(stores, version="2")
        (claimed,) = await stores.tasks.claim(await register_continuing(stores), [OTHER, LANE], 10)
        assert (claimed.task.reason, claimed.task.changes[-1].reason) == (None, None)

    async def test_two_newer_versions_do_not_leave_them_to_each_other(self, stores: Stores):
        workers = [await register_continuing(stores) for _ in range(2)]
        await submit_one(stores)
        claimed = [await stores.tasks.claim(worker_id, [LANE], 10) for worker_id in workers]
        assert [len(each) for each in claimed] == [1, 0]

    async def test_a_parked_task_is_tried_again_when_a_worker_of_its_version_starts(self, stores: Stores):
        task = await parked_by_a_newer_version(stores)
        behind = await submit_one(stores, session_id=task.session_id)
        assert await stores.lanes.release_parked_tasks(10) == []
        await register_continuing(stores)
        assert await stores.lanes.release_parked_tasks(10) == []
        own = await register(stores)
        (released,) = await stores.lanes.release_parked_tasks(10)
        assert (released.id, released.status, released.error) == (task.id, TaskStatus.QUEUED, None)
        assert released == await stores.tasks.find(ALICE, task.id)
        assert await stores.lanes.release_parked_tasks(10) == []
        (claimed,) = await stores.tasks.claim(own, [LANE], 10)
        assert claimed.task.id == task.id
        assert (await stores.tasks.find(ALICE, behind.id)).status is TaskStatus.BLOCKED

    async def test_also_if_that_worker_started_while_the_newer_version_still_ran_it(self, stores: Stores):
        await submit_one(stores)
        (claimed,) = await stores.tasks.claim(await register_continuing(stores), [LANE], 1)
        await stores.pass_time(0.01)
        own = await register(stores)
        await stores.pass_time(0.01)
        parked = await park_for_mismatch(stores, claimed)
        assert _ids(await stores.lanes.release_parked_tasks(10)) == [parked.id]
        (claimed,) = await stores.tasks.claim(own, [LANE], 10)
        await park_for_mismatch(stores, claimed)
        assert await stores.lanes.release_parked_tasks(10) == []

    async def test_once_for_each_start(self, stores: Stores):
        await parked_by_a_newer_version(stores)
        for _ in range(2):
            own = await register(stores)
            await stores.lanes.release_parked_tasks(10)
            (claimed,) = await stores.tasks.claim(own, [LANE], 10)
            await park_for_mismatch(stores, claimed)
            assert await stores.lanes.release_parked_tasks(10) == []

    async def test_other_waiting_tasks_go_on_waiting(self, stores: Stores):
        claimed = await run_one(stores)
        await settle(stores, claimed, TaskStatus.WAITING, error=b'{"code": "effect_unknown", "message": ""}')
        await settle(stores, await run_one(stores), TaskStatus.WAITING)
        await stores.pass_time(0.01)
        await register(stores)
        assert await stores.lanes.release_parked_tasks(10) == []

    async def test_at_once_by_two_it_is_released_once(self, stores: Stores):
        tasks = [await parked_by_a_newer_version(stores) for _ in range(5)]
        await register(stores)
        released = await asyncio.gather(*(stores.lanes.release_parked_tasks(10) for _ in range(3)))
        ids = _ids(*released)
        assert sorted(ids) == sorted(task.id for task in tasks)


async def parked_by_a_newer_version(stores: Stores) -> Task:
    """Its code went another way than the journal."""
    await submit_one(stores)
    (claimed,) = await stores.tasks.claim(await register_continuing(stores), [LANE], 1)
    await stores.journal.append([entry(claimed, "m1")])
    return await park_for_mismatch(stores, claimed)


def _ids(*batches: Sequence[Task]) -> list[UUID]:
    return [task.id for batch in batches for task in batch]
