"""Whatever happens to a task while somebody decides: no decision is lost, and none is taken that nothing comes of."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from roadworthy.domain.decision import Verdict
from roadworthy.domain.errors import DecidedBefore, NotFound, NotPending
from roadworthy.domain.event import MAX_ATTEMPTS
from roadworthy.domain.journal import Appended, EntryKind
from roadworthy.domain.limits import Limits
from roadworthy.domain.task import TaskStatus
from roadworthy.ports.decisions import Decided
from roadworthy.testing.conformance.decisions import CALL, ask_and_run, decide, wait_for_decision
from roadworthy.testing.conformance.scenario import (
    ALICE,
    LANE,
    claim_one,
    end_of,
    entry,
    register,
    run_one,
    settle,
    submit_one,
)
from roadworthy.testing.conformance.stores import Stores

from .other_connection import OtherConnection

LOCK_TASK = "select from tasks where id = $1 for no key update"
LOCK_OWNER = "select from owners where tenant = $1 and owner = $2 for no key update"
Calls = list[Coroutine[Any, Any, Any]]


async def one_after_the_other(other: OtherConnection, lock: str, *values: object, calls: Calls) -> list[Any]:
    """Their answers or errors, where they wait for the same row in this order."""
    async with other.holding(lock, *values):
        waiting = [await other.until_waiting(call, behind) for behind, call in enumerate(calls)]
    return await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize("first", ["decide", "settle"])
@pytest.mark.parametrize("blocked", [False, True])
async def test_a_task_that_begins_to_wait_goes_on_if_it_is_decided_now(
    stores: Stores, other: OtherConnection, first: str, blocked: bool
):
    running = await ask_and_run(stores)
    if blocked:
        await submit_one(stores, session_id=running.task.session_id)
    calls: Calls = [decide(stores, running.task), stores.tasks.settle([end_of(running, TaskStatus.WAITING)])]
    await one_after_the_other(other, LOCK_TASK, running.task.id, calls=calls if first == "decide" else calls[::-1])
    again = await claim_one(stores)
    assert (again.task.id, again.task.attempt) == (running.task.id, 2)
    assert [each.call_id for each in await stores.decisions.of_task(ALICE, again.task.id)] == [CALL]


@pytest.mark.parametrize("first", ["decide", "append"])
async def test_a_result_that_comes_while_somebody_decides(stores: Stores, other: OtherConnection, first: str):
    running = await ask_and_run(stores)
    appending = stores.journal.append([entry(running, CALL, kind=EntryKind.TOOL)])
    calls: Calls = [decide(stores, running.task), appending]
    answers = await one_after_the_other(
        other, LOCK_TASK, running.task.id, calls=calls if first == "decide" else calls[::-1]
    )
    decided, appended = answers if first == "decide" else answers[::-1]
    assert appended == [Appended(1)]
    assert isinstance(decided, Decided if first == "decide" else NotPending)
    assert len(await stores.decisions.of_task(ALICE, running.task.id)) == (first == "decide")


@pytest.mark.parametrize("first", ["decide", "cancel"])
async def test_a_cancel_ends_a_task_that_is_decided_now(stores: Stores, other: OtherConnection, first: str):
    waiting = await wait_for_decision(stores)
    calls: Calls = [decide(stores, waiting), stores.tasks.cancel(ALICE, waiting.id)]
    answers = await one_after_the_other(other, LOCK_TASK, waiting.id, calls=calls if first == "decide" else calls[::-1])
    decided = answers[0 if first == "decide" else 1]
    assert isinstance(decided, Decided if first == "decide" else NotPending)
    assert (await stores.tasks.find(ALICE, waiting.id)).status is TaskStatus.CANCELLED
    assert await stores.tasks.claim(await register(stores), [LANE], 10) == []


async def test_a_cancelled_task_gives_the_place_back_that_a_decision_gave_it(stores: Stores, other: OtherConnection):
    waiting = await wait_for_decision(stores)
    before = await other.connection.fetchval("select last_tag from owners")
    await decide(stores, waiting)
    assert await other.connection.fetchval("select last_tag from owners") == before + 1
    await stores.tasks.cancel(ALICE, waiting.id)
    assert await other.connection.fetchval("select last_tag from owners") == before


async def test_a_task_that_is_decided_now_does_not_expire(stores: Stores, other: OtherConnection):
    waiting = await wait_for_decision(stores, limits=Limits(waiting_seconds=0.01))
    await stores.pass_time(0.02)
    async with other.holding(LOCK_OWNER, ALICE.tenant, ALICE.user):
        deciding = await other.until_waiting(decide(stores, waiting))
        assert await stores.upkeep.expire_tasks(10) == []
    assert (await deciding).task.status is TaskStatus.QUEUED
    assert await stores.upkeep.expire_tasks(10) == []


async def test_nobody_decides_about_a_task_that_expires_now(stores: Stores, other: OtherConnection):
    waiting = await wait_for_decision(stores, limits=Limits(waiting_seconds=0.01))
    await submit_one(stores, session_id=waiting.session_id)
    await stores.pass_time(0.02)
    calls: Calls = [stores.upkeep.expire_tasks(10), decide(stores, waiting)]
    _, decided = await one_after_the_other(other, LOCK_OWNER, ALICE.tenant, ALICE.user, calls=calls)
    assert isinstance(decided, NotPending)
    assert (await stores.tasks.find(ALICE, waiting.id)).status is TaskStatus.EXPIRED


async def test_a_claim_passes_by_a_task_that_is_decided_now(stores: Stores, other: OtherConnection):
    running = await ask_and_run(stores)
    await settle(stores, running, TaskStatus.QUEUED)
    async with other.holding(LOCK_TASK, running.task.id):
        deciding = await other.until_waiting(decide(stores, running.task))
        assert await stores.tasks.claim(await register(stores), [LANE], 10) == []
    await deciding
    again = await claim_one(stores)
    assert (await settle(stores, again, TaskStatus.WAITING)).task.status is TaskStatus.WAITING


async def test_a_decision_that_meets_a_claim_is_one_about_a_task_that_runs(stores: Stores, other: OtherConnection):
    running = await ask_and_run(stores)
    await settle(stores, running, TaskStatus.QUEUED)
    async with other.holding(LOCK_OWNER, ALICE.tenant, ALICE.user) as connection:
        await connection.execute(LOCK_TASK.replace("$1", f"'{running.task.id}'"))
        deciding = await other.until_waiting(decide(stores, running.task))
        await connection.execute(
            "update tasks set status = 'running', attempt = 2, claim_token = gen_random_uuid() where id = $1",
            running.task.id,
        )
    assert (await deciding).task.status is TaskStatus.RUNNING
    assert await other.connection.fetchval("select decided_attempt from tasks") == 2


@pytest.mark.parametrize("verdicts", [(Verdict.APPROVE, Verdict.DENY), (Verdict.DENY, Verdict.APPROVE)])
async def test_of_two_decisions_the_first_stands(
    stores: Stores, other: OtherConnection, verdicts: tuple[Verdict, Verdict]
):
    waiting = await wait_for_decision(stores)
    calls: Calls = [decide(stores, waiting, verdict) for verdict in verdicts]
    first, second = await one_after_the_other(other, LOCK_TASK, waiting.id, calls=calls)
    assert isinstance(second, DecidedBefore)
    assert first.decision.verdict is verdicts[0]
    assert await stores.decisions.of_task(ALICE, waiting.id) == [first.decision]


async def test_the_same_decision_twice_is_one(stores: Stores, other: OtherConnection):
    waiting = await wait_for_decision(stores)
    calls: Calls = [decide(stores, waiting) for _ in range(2)]
    first, second = await one_after_the_other(other, LOCK_TASK, waiting.id, calls=calls)
    assert first == second


async def test_a_session_that_is_deleted_leaves_no_decision(stores: Stores, other: OtherConnection):
    waiting = await wait_for_decision(stores)
    await decide(stores, waiting)
    await settle(stores, await claim_one(stores))
    async with other.holding(LOCK_TASK, waiting.id):
        deleting = await other.until_waiting(stores.sessions.delete(ALICE, waiting.session_id))
        deciding = await other.until_waiting(decide(stores, waiting, Verdict.DONE), behind=1)
    await deleting
    with pytest.raises(NotFound):
        await deciding
    assert await other.connection.fetch("select from decisions") == []


async def test_a_task_that_was_started_as_often_as_one_may_be_is_not_decided(stores: Stores, other: OtherConnection):
    waiting = await wait_for_decision(stores)
    await other.connection.execute("update tasks set attempt = $1", MAX_ATTEMPTS)
    with pytest.raises(NotPending, match="cancel it"):
        await decide(stores, waiting)
    assert (await stores.tasks.find(ALICE, waiting.id)).status is TaskStatus.WAITING


async def test_nor_is_it_started_once_more_when_its_decision_is_said_again(stores: Stores, other: OtherConnection):
    waiting = await wait_for_decision(stores)
    first = await decide(stores, waiting)
    await settle(stores, await claim_one(stores), TaskStatus.WAITING)
    await other.connection.execute("update tasks set attempt = $1", MAX_ATTEMPTS)
    again = await decide(stores, waiting)
    assert (again.decision, again.task.status) == (first.decision, TaskStatus.WAITING)


async def test_one_that_was_decided_while_it_ran_for_the_last_time_is_dead(stores: Stores, other: OtherConnection):
    running = await run_one(stores)
    await other.connection.execute("update tasks set attempt = $1, decided_attempt = $1", MAX_ATTEMPTS)
    (claimed,) = await stores.tasks.claimed_by(await worker_of(other), [])
    dead = (await settle(stores, claimed, TaskStatus.WAITING, error=b'{"code": "effect_unknown"}')).task
    assert (dead.id, dead.status, dead.reason) == (running.task.id, TaskStatus.DEAD, "it was started too often")
    assert b"started_too_often" in (dead.error or b"")


async def worker_of(other: OtherConnection) -> Any:
    return await other.connection.fetchval("select worker_id from tasks")
