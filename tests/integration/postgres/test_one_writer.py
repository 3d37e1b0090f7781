"""A worker whose task was given to another one can change nothing, however its writes and the claim fall together."""

import asyncio
from dataclasses import replace

import pytest

from roadworthy.domain.event import MAX_ATTEMPTS, MAX_ENTRIES
from roadworthy.domain.journal import Appended, NotStorable, Refused
from roadworthy.domain.task import TaskStatus
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
    run_one,
    settle,
    submit,
    turn,
)
from roadworthy.testing.conformance.stores import Stores

from .other_connection import OtherConnection

LOCK_TASK = "select from tasks where id = $1 for no key update"
LOCK_SESSION = "select from sessions where id = $1 for no key update"
CLAIM_AGAIN = "update tasks set attempt = attempt + 1, claim_token = gen_random_uuid() where id = $1"


async def test_an_append_that_waits_while_the_task_is_claimed_again_is_refused(stores: Stores, other: OtherConnection):
    claimed = await run_one(stores)
    async with other.holding(LOCK_TASK, claimed.task.id) as connection:
        zombie = await other.until_waiting(stores.journal.append([entry(claimed, "m1")]))
        await connection.execute(CLAIM_AGAIN, claimed.task.id)
    assert await zombie == [Refused()]
    assert await stores.journal.read(ALICE, claimed.task.id) == []


async def test_a_settlement_that_waits_while_the_task_is_claimed_again_is_refused(
    stores: Stores, other: OtherConnection
):
    claimed = await run_one(stores)
    async with other.holding(LOCK_TASK, claimed.task.id) as connection:
        zombie = await other.until_waiting(stores.tasks.settle([end_of(claimed, turn=turn("late"))]))
        await connection.execute(CLAIM_AGAIN, claimed.task.id)
    assert await zombie == [SettleRefused()]
    assert (await stores.tasks.find(ALICE, claimed.task.id)).status is TaskStatus.RUNNING
    assert await stores.sessions.history(ALICE, claimed.task.session_id, 1) == []


async def test_a_fenced_write_does_not_fail_those_that_share_its_statement(stores: Stores, other: OtherConnection):
    lost, kept = await run_one(stores), await run_one(stores)
    async with other.holding(LOCK_TASK, lost.task.id) as connection:
        together = await other.until_waiting(stores.journal.append([entry(lost, "m1"), entry(kept, "m1")]))
        await connection.execute(CLAIM_AGAIN, lost.task.id)
    assert await together == [Refused(), Appended(0)]


async def test_two_attempts_of_one_task_in_one_statement_are_told_apart(stores: Stores):
    first = await run_one(stores)
    await take_everything_away(stores)
    second = await claim_one(stores)
    entries = [entry(first, "m1"), entry(second, "m1")]
    assert await stores.journal.append(entries) == [Refused(), Appended(0)]
    settlements = [end_of(first), end_of(second)]
    outcomes = await stores.tasks.settle(settlements)
    assert isinstance(outcomes[0], SettleRefused)
    assert isinstance(outcomes[1], Settled)


async def test_an_append_that_is_repeated_before_the_first_one_has_committed_is_one_entry(
    stores: Stores, other: OtherConnection
):
    claimed = await run_one(stores)
    written = [entry(claimed, "m1"), entry(claimed, "t1:a")]
    async with other.holding(LOCK_TASK, claimed.task.id):
        first = await other.until_waiting(stores.journal.append(written))
        again = await other.until_waiting(stores.journal.append(written), behind=1)
    assert await first == await again == [Appended(0), Appended(1)]
    assert [each.key for each in await stores.journal.read(ALICE, claimed.task.id)] == ["m1", "t1:a"]


async def test_a_settlement_that_is_repeated_before_the_first_one_has_committed_is_one_turn(
    stores: Stores, other: OtherConnection
):
    claimed = await run_one(stores)
    written = [end_of(claimed, turn=turn("once"), output=b'"yes"')]
    async with other.holding(LOCK_SESSION, claimed.task.session_id):
        first = await other.until_waiting(stores.tasks.settle(written))
        again = await other.until_waiting(stores.tasks.settle(written), behind=1)
    assert await first == await again
    assert await stores.sessions.history(ALICE, claimed.task.session_id, 9) == [turn("once")]


async def test_a_submission_that_is_repeated_before_the_first_one_has_committed_is_one_task(
    stores: Stores, other: OtherConnection
):
    opening = new_task()
    await submit(stores, opening)
    await settle(stores, await claim_one(stores))
    new = new_task(session_id=opening.session_id)
    async with other.holding(LOCK_SESSION, opening.session_id):
        first = await other.until_waiting(stores.tasks.submit([new]))
        again = await other.until_waiting(stores.tasks.submit([new]), behind=1)
    assert await first == await again


async def test_a_repeated_settlement_names_the_task_that_the_first_one_released(stores: Stores):
    claimed = await run_one(stores)
    await submit(stores, behind := new_task(session_id=claimed.task.session_id))
    first, again = [(await stores.tasks.settle([end_of(claimed)]))[0] for _ in range(2)]
    assert first == again
    assert isinstance(again, Settled)
    assert again.released is not None
    assert again.released.id == behind.id


async def test_an_entry_beyond_a_full_journal_says_so(stores: Stores, other: OtherConnection):
    claimed = await run_one(stores)
    await other.connection.execute("update tasks set journal_length = $1", MAX_ENTRIES - 1)
    last, beyond = await stores.journal.append([entry(claimed, "m1"), entry(claimed, "m2")])
    assert last == Appended(MAX_ENTRIES - 1)
    assert isinstance(beyond, NotStorable)


async def test_a_key_of_an_earlier_attempt_is_not_written_again(stores: Stores):
    first = await run_one(stores)
    await stores.journal.append([entry(first, "m1")])
    await take_everything_away(stores)
    (outcome,) = await stores.journal.append([entry(await claim_one(stores), "m1")])
    assert not isinstance(outcome, Appended)
    assert len(await stores.journal.read(ALICE, first.task.id)) == 1


@pytest.mark.parametrize("way", ["settled", "rescued"])
async def test_after_the_last_possible_attempt_a_task_is_dead(stores: Stores, other: OtherConnection, way: str):
    worker_id = await register(stores)
    claimed = await run_one(stores, worker_id=worker_id)
    await other.connection.execute("update tasks set attempt = $1", MAX_ATTEMPTS)
    if way == "settled":
        last = replace(claimed, task=replace(claimed.task, attempt=MAX_ATTEMPTS))
        task = (await settle(stores, last, TaskStatus.QUEUED)).task
    else:
        (task,) = await lose_worker(stores, worker_id)
    assert task.status is TaskStatus.DEAD
    assert task.reason


async def test_claims_at_once_never_give_one_task_twice(stores: Stores):
    submitted = await submit(stores, *(new_task() for _ in range(60)))
    workers = [await register(stores) for _ in range(6)]
    claims = await asyncio.gather(*(stores.tasks.claim(worker, [LANE], 7) for worker in workers * 2))
    claims += [await stores.tasks.claim(worker, [LANE], 60) for worker in workers]
    taken = [claimed.task.id for claims_of_one in claims for claimed in claims_of_one]
    assert sorted(taken) == sorted(task.id for task in submitted)


async def test_a_claim_does_not_wait_for_a_task_that_somebody_else_holds(stores: Stores, other: OtherConnection):
    first, second = await submit(stores, new_task(), new_task())
    async with other.holding(LOCK_TASK, first.id):
        assert (await claim_one(stores)).task.id == second.id


async def take_everything_away(stores: Stores) -> None:
    await stores.workers.end_all_leases()
    await stores.upkeep.rescue_expired_leases(3, 10)
