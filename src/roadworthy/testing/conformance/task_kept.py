"""What is known of a task however it ends: its usage, its running time and its text so far."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import EntryWrite
from roadworthy.domain.limits import Limits
from roadworthy.domain.task import Claimed, OnBusy, Task, TaskStatus, Usage
from roadworthy.testing.conformance.scenario import (
    ALICE,
    LANE,
    claim_one,
    entry,
    lose_worker,
    register,
    run_one,
    settle,
    submit_one,
)
from roadworthy.testing.conformance.stores import Stores

FIRST = Usage(cost=100, input_tokens=10, output_tokens=5, model_calls=1, steps=1)
SECOND = FIRST + Usage(cost=50, input_tokens=20, output_tokens=7, cache_read_tokens=3, model_calls=1, steps=1)
SOON = Limits(queue_seconds=0.1, waiting_seconds=0.1)


async def keep_entry(stores: Stores, claimed: Claimed, key: str, usage: Usage | None, text: str = "") -> None:
    await stores.journal.append([entry_with(claimed, key, usage, text)])


def entry_with(claimed: Claimed, key: str, usage: Usage | None, text: str = "") -> EntryWrite:
    pieces = [["thinking", "hm"], ["text", text]] if text else []
    return replace(entry(claimed, key, json.dumps({"pieces": pieces}).encode()), usage=usage)


class UsageIsKeptContract:
    """What entries say was used, given `stores`."""

    async def test_usage_is_known_with_the_entry_that_tells_of_it(self, stores: Stores):
        claimed = await run_one(stores)
        await keep_entry(stores, claimed, "m1", FIRST)
        assert (await stores.tasks.find(ALICE, claimed.task.id)).usage == FIRST
        await keep_entry(stores, claimed, "m2", SECOND)
        await keep_entry(stores, claimed, "s2", None)
        assert (await stores.tasks.find(ALICE, claimed.task.id)).usage == SECOND

    async def test_of_entries_written_together_the_largest_one_counts(self, stores: Stores):
        claimed = await run_one(stores)
        await stores.journal.append([entry_with(claimed, "m1", FIRST), entry_with(claimed, "m2", SECOND)])
        assert (await stores.tasks.find(ALICE, claimed.task.id)).usage == SECOND

    async def test_repeating_an_entry_does_not_bring_old_usage_back(self, stores: Stores):
        claimed = await run_one(stores)
        await keep_entry(stores, claimed, "m1", FIRST)
        await keep_entry(stores, claimed, "m2", SECOND)
        await keep_entry(stores, claimed, "m1", FIRST)
        assert (await stores.tasks.find(ALICE, claimed.task.id)).usage == SECOND

    async def test_an_entry_that_was_overtaken_does_not_bring_old_usage_back(self, stores: Stores):
        """Calls run side by side, and the write of one is repeated until the store answers."""
        claimed = await run_one(stores)
        third = replace(SECOND, tool_calls=1)
        await keep_entry(stores, claimed, "m2", SECOND)
        await keep_entry(stores, claimed, "m1", FIRST)
        assert (await stores.tasks.find(ALICE, claimed.task.id)).usage == SECOND
        await stores.journal.append([entry_with(claimed, "t2", third), entry_with(claimed, "t1", FIRST)])
        assert (await stores.tasks.find(ALICE, claimed.task.id)).usage == third

    @pytest.mark.parametrize("end", ["dead", "cancelled", "queued"])
    async def test_a_rescue_keeps_the_usage(self, stores: Stores, end: str):
        worker_id = await register(stores)
        claimed = await run_one(stores, worker_id=worker_id)
        await keep_entry(stores, claimed, "m1", FIRST)
        if end == "cancelled":
            await stores.tasks.cancel(ALICE, claimed.task.id)
        (task,) = await lose_worker(stores, worker_id, max_retries=0 if end == "dead" else 3)
        assert (task.status, task.usage) == (TaskStatus(end), FIRST)

    async def test_a_settlement_that_knows_nothing_of_it_leaves_it(self, stores: Stores):
        claimed = await run_one(stores)
        await keep_entry(stores, claimed, "m1", FIRST)
        task = (await settle(stores, claimed, TaskStatus.DEAD, reason="why", error=b"{}")).task
        assert task.usage == FIRST
        other = await run_one(stores)
        await keep_entry(stores, other, "m1", FIRST)
        assert (await settle(stores, other, usage=SECOND)).task.usage == SECOND


class RunningTimeIsKeptContract:
    """The running time of attempts that were lost, given `stores`."""

    async def test_a_lost_attempt_ran_until_its_workers_last_sign_of_life(self, stores: Stores):
        worker_id = await register(stores)
        claimed = await run_one(stores, worker_id=worker_id)
        await stores.pass_time(0.5)
        await stores.workers.heartbeat(worker_id, 0.1)
        await stores.pass_time(0.5)
        (task,) = await stores.eventually(lambda: stores.upkeep.rescue_expired_leases(3, 10))
        assert task.id == claimed.task.id
        assert 0.4 <= task.running_seconds <= 0.95

    async def test_it_adds_up_with_what_other_attempts_took(self, stores: Stores):
        claimed = await run_one(stores)
        await settle(stores, claimed, TaskStatus.QUEUED, running_seconds=100)
        worker_id = await register(stores)
        await claim_one(stores, worker_id)
        await stores.pass_time(0.3)
        (task,) = await lose_worker(stores, worker_id)
        assert 100.25 <= task.running_seconds <= 102

    async def test_a_worker_that_was_not_heard_of_since_the_claim_adds_nothing(self, stores: Stores):
        worker_id = await register(stores, lease_seconds=0.3)
        await run_one(stores, worker_id=worker_id)
        (task,) = await stores.eventually(lambda: stores.upkeep.rescue_expired_leases(3, 10))
        assert task.running_seconds == 0


class TextIsKeptContract:
    """What a task said before it was ended by nobody's attempt, given `stores`."""

    @pytest.mark.parametrize("waits", ["queued", "retrying", "waiting"])
    @pytest.mark.parametrize("end", ["cancelled", "expired"])
    async def test_the_last_text_of_the_journal_is_the_answer(self, stores: Stores, waits: str, end: str):
        limits = SOON if end == "expired" else Limits()
        worker_id = await register(stores)
        claimed = await run_one(stores, worker_id=worker_id, limits=limits)
        await keep_entry(stores, claimed, "m1", FIRST, "I look.")
        await keep_entry(stores, claimed, "m2", SECOND, "It is \0 é \u2028 on its way.")
        await keep_entry(stores, claimed, "m3", SECOND)
        match waits:
            case "queued":
                await lose_worker(stores, worker_id)
            case "retrying":
                await settle(stores, claimed, TaskStatus.QUEUED, run_after_seconds=60)
            case _:
                await settle(stores, claimed, TaskStatus.WAITING)
        if end == "cancelled":
            await stores.tasks.cancel(ALICE, claimed.task.id)
        else:
            await stores.eventually(lambda: stores.upkeep.expire_tasks(10))
        task = await stores.tasks.find(ALICE, claimed.task.id)
        assert task.status == end
        assert json.loads(task.output or b"") == "It is \0 é \u2028 on its way."

    @pytest.mark.parametrize("end", ["cancelled", "dead"])
    async def test_also_when_a_rescue_ends_it(self, stores: Stores, end: str):
        worker_id = await register(stores)
        claimed = await run_one(stores, worker_id=worker_id)
        await keep_entry(stores, claimed, "m1", FIRST, "I look.")
        if end == "cancelled":
            await stores.tasks.cancel(ALICE, claimed.task.id)
        (task,) = await lose_worker(stores, worker_id, max_retries=0)
        assert (task.status, task.output) == (TaskStatus(end), b'"I look."')
        assert task == await stores.tasks.find(ALICE, task.id)

    async def test_what_an_attempt_said_when_it_was_settled_stays(self, stores: Stores):
        claimed = await run_one(stores)
        await keep_entry(stores, claimed, "m1", FIRST, "I look.")
        await settle(stores, claimed, TaskStatus.QUEUED, output=b'"I look. Half an"', run_after_seconds=60)
        (changed,) = await stores.tasks.cancel(ALICE, claimed.task.id)
        assert changed.task.output == b'"I look. Half an"'

    async def test_a_message_that_interrupts_keeps_it_too(self, stores: Stores):
        claimed = await run_one(stores)
        await keep_entry(stores, claimed, "m1", FIRST, "I look.")
        await settle(stores, claimed, TaskStatus.WAITING)
        await submit_one(stores, session_id=claimed.task.session_id, on_busy=OnBusy.INTERRUPT)
        task = await stores.tasks.find(ALICE, claimed.task.id)
        assert (task.status, task.output) == (TaskStatus.CANCELLED, b'"I look."')

    async def test_who_said_nothing_has_no_answer(self, stores: Stores):
        claimed = await run_one(stores)
        await keep_entry(stores, claimed, "m1", FIRST)
        await settle(stores, claimed, TaskStatus.WAITING)
        (changed,) = await stores.tasks.cancel(ALICE, claimed.task.id)
        assert changed.task.output is None
        assert await stores.tasks.claim(await register(stores), [LANE], 1) == []


class ReasonsContract:
    """Each clock that runs out says which one it was and what to do, given `stores`."""

    async def test_each_wait_that_was_too_long_has_words_of_its_own(self, stores: Stores):
        parked = (await settle(stores, await run_one(stores, limits=SOON), TaskStatus.WAITING)).task
        running = await run_one(stores)
        blocked = await submit_one(stores, session_id=running.task.session_id, limits=SOON)
        queued = await submit_one(stores, limits=SOON)
        expired: dict[TaskId, Task] = {}
        while len(expired) < 3:
            changed = await stores.eventually(lambda: stores.upkeep.expire_tasks(10))
            expired.update((task.id, task) for task in changed)
        for task, words, advice in (
            (parked, "for a decision", "send it again"),
            (queued, "for a worker", "see that workers of its version run"),
            (blocked, "for its turn in the session", "once the session is free"),
        ):
            found = expired[task.id]
            assert "longer than 0.1 seconds" in (found.reason or "")
            assert words in (found.reason or "") and advice in (found.reason or "")
            assert json.loads(found.error or b"") == {"code": "expired", "message": found.reason}


class KeptContract(UsageIsKeptContract, RunningTimeIsKeptContract, TextIsKeptContract, ReasonsContract):
    """What is known of a task however it ends, given `stores`."""
