"""What every `Journal` must do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from roadworthy.domain.journal import Appended, EntryKind, NotStorable, Refused
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import TaskStatus
from roadworthy.testing.conformance.scenario import (
    ALICE,
    LANE,
    STRANGERS,
    claim_one,
    entry,
    lose_worker,
    new_task,
    register,
    rising_id,
    run_one,
    settle,
    submit,
)
from roadworthy.testing.conformance.stores import Stores


class JournalContract:
    """A `Journal`, given `stores`."""

    async def test_entries_are_read_as_they_were_written(self, stores: Stores):
        claimed = await run_one(stores)
        detail = '{"step": 1, "pieces": [["text", "Grüße 🚚"]], "cost": 12, "nothing": null}'.encode()
        write = replace(entry(claimed, "m1", detail), payload=b"\x00\xff bytes")
        assert await stores.journal.append([write]) == [Appended(0)]
        (read,) = await stores.journal.read(ALICE, claimed.task.id)
        assert (read.sequence, read.key, read.kind, read.attempt) == (0, "m1", EntryKind.MODEL, 1)
        assert read.payload == b"\x00\xff bytes"
        assert read.detail == {"step": 1, "pieces": [["text", "Grüße 🚚"]], "cost": 12, "nothing": None}

    async def test_every_kind_of_entry_is_kept(self, stores: Stores):
        claimed = await run_one(stores)
        await stores.journal.append([entry(claimed, kind.value, kind=kind) for kind in EntryKind])
        assert [read.kind for read in await stores.journal.read(ALICE, claimed.task.id)] == list(EntryKind)

    async def test_entries_of_one_task_in_one_batch_are_numbered_in_their_order(self, stores: Stores):
        claimed = await run_one(stores)
        keys = ["input", "m1", "s1:b", "t1:b", "t1:a", "m2"]
        outcomes = await stores.journal.append([entry(claimed, key) for key in keys])
        assert outcomes == [Appended(n) for n in range(6)]
        assert [read.key for read in await stores.journal.read(ALICE, claimed.task.id)] == keys

    async def test_numbers_go_on_from_batch_to_batch_and_from_attempt_to_attempt(self, stores: Stores):
        claimed = await run_one(stores)
        await stores.journal.append([entry(claimed, "input")])
        await stores.journal.append([entry(claimed, "m1")])
        await settle(stores, claimed, TaskStatus.QUEUED)
        again = await claim_one(stores)
        assert again.task.journal_length == 2
        await stores.journal.append([entry(again, "m2")])
        read = await stores.journal.read(ALICE, claimed.task.id)
        assert [(each.sequence, each.key, each.attempt) for each in read] == [
            (0, "input", 1),
            (1, "m1", 1),
            (2, "m2", 2),
        ]

    async def test_reading_starts_where_it_is_told(self, stores: Stores):
        claimed = await run_one(stores)
        await stores.journal.append([entry(claimed, f"m{n}") for n in range(5)])
        assert [each.sequence for each in await stores.journal.read(ALICE, claimed.task.id, start=3)] == [3, 4]
        assert await stores.journal.read(ALICE, claimed.task.id, start=5) == []

    async def test_entries_of_many_tasks_are_written_together(self, stores: Stores):
        await submit(stores, *(new_task() for _ in range(20)))
        claimed = await stores.tasks.claim(await register(stores), [LANE], 20)
        writes = [entry(each, f"m{n}") for n in range(5) for each in claimed]
        outcomes = await stores.journal.append(writes)
        assert outcomes == [Appended(n) for n in range(5) for _ in claimed]
        for each in claimed:
            read = await stores.journal.read(ALICE, each.task.id)
            assert [written.key for written in read] == [f"m{n}" for n in range(5)]

    async def test_appends_at_once_share_no_number(self, stores: Stores):
        claimed = await run_one(stores)
        together = await asyncio.gather(*(stores.journal.append([entry(claimed, f"m{n}")]) for n in range(8)))
        numbers = [outcome.sequence for (outcome,) in together if isinstance(outcome, Appended)]
        assert sorted(numbers) == list(range(8))
        assert (await stores.tasks.find(ALICE, claimed.task.id)).journal_length == 8

    async def test_the_task_knows_the_length_of_its_journal(self, stores: Stores):
        claimed = await run_one(stores)
        await stores.journal.append([entry(claimed, "input"), entry(claimed, "m1")])
        assert (await stores.tasks.find(ALICE, claimed.task.id)).journal_length == 2

    async def test_a_growing_journal_forgives_failures(self, stores: Stores):
        claimed = await run_one(stores)
        await settle(stores, claimed, TaskStatus.QUEUED, counts_as_failure=True)
        again = await claim_one(stores)
        assert again.task.failures == 1
        await stores.journal.append([entry(again, "m1")])
        assert (await stores.tasks.find(ALICE, claimed.task.id)).failures == 0

    async def test_appending_nothing_does_nothing(self, stores: Stores):
        assert await stores.journal.append([]) == []

    @pytest.mark.parametrize("detail", [b'{"text": "a\\u0000b"}', b"{", b'"text"'], ids=["nul", "broken", "no object"])
    async def test_an_entry_that_cannot_be_stored_fails_alone(self, stores: Stores, detail: bytes):
        first, second = [await run_one(stores) for _ in range(2)]
        bad = entry(first, "m1", detail)
        outcomes = await stores.journal.append([entry(first, "input"), bad, entry(second, "input")])
        assert (outcomes[0], outcomes[2]) == (Appended(0), Appended(0))
        assert isinstance(outcomes[1], NotStorable) or detail.startswith(b'{"text"')
        keys = ["input"] if isinstance(outcomes[1], NotStorable) else ["input", "m1"]
        assert [read.key for read in await stores.journal.read(ALICE, first.task.id)] == keys
        assert [read.key for read in await stores.journal.read(ALICE, second.task.id)] == ["input"]

    @pytest.mark.parametrize("stranger", STRANGERS, ids=["other user", "other tenant"])
    async def test_a_stranger_reads_nothing(self, stores: Stores, stranger: Principal):
        claimed = await run_one(stores)
        await stores.journal.append([entry(claimed, "input")])
        assert await stores.journal.read(stranger, claimed.task.id) == []
        assert await stores.journal.read(ALICE, rising_id()) == []


class JournalFenceContract:
    """Who may write into a journal, and how often."""

    async def test_an_older_attempt_is_refused_and_its_neighbours_are_not(self, stores: Stores):
        worker_id = await register(stores)
        old = await run_one(stores, worker_id=worker_id)
        await lose_worker(stores, worker_id)
        new = await claim_one(stores)
        outcomes = await stores.journal.append([entry(old, "m1"), entry(new, "m1"), entry(old, "m2")])
        assert outcomes == [Refused(), Appended(0), Refused()]
        assert [read.attempt for read in await stores.journal.read(ALICE, new.task.id)] == [2]

    async def test_a_task_taken_away_takes_nothing_from_its_old_worker(self, stores: Stores):
        worker_id = await register(stores)
        old = await run_one(stores, worker_id=worker_id)
        await lose_worker(stores, worker_id)
        assert await stores.journal.append([entry(old, "m1")]) == [Refused()]
        assert await stores.journal.read(ALICE, old.task.id) == []

    async def test_a_wrong_attempt_token_or_task_is_refused(self, stores: Stores):
        claimed = await run_one(stores)
        write = entry(claimed, "m1")
        wrong = [
            replace(write, fence=replace(write.fence, claim_token=uuid4())),
            replace(write, fence=replace(write.fence, attempt=2)),
            replace(write, fence=replace(write.fence, task_id=rising_id())),
        ]
        assert await stores.journal.append(wrong) == [Refused()] * 3
        assert await stores.journal.read(ALICE, claimed.task.id) == []

    @pytest.mark.parametrize("status", [TaskStatus.SUCCEEDED, TaskStatus.WAITING, TaskStatus.QUEUED])
    async def test_a_task_that_does_not_run_takes_no_new_entries(self, stores: Stores, status: TaskStatus):
        claimed = await run_one(stores)
        await settle(stores, claimed, status)
        assert await stores.journal.append([entry(claimed, "m1")]) == [Refused()]

    async def test_appending_again_after_a_lost_acknowledgement_answers_the_same(self, stores: Stores):
        claimed = await run_one(stores)
        writes = [entry(claimed, "input"), entry(claimed, "m1")]
        assert await stores.journal.append(writes) == [Appended(0), Appended(1)]
        repeated = [entry(claimed, "m1"), entry(claimed, "m2"), entry(claimed, "input")]
        first, new, last = await stores.journal.append(repeated)
        assert (first, last) == (Appended(1), Appended(0))
        read = await stores.journal.read(ALICE, claimed.task.id)
        assert [each.key for each in read] == ["input", "m1", "m2"]
        assert new == Appended(read[-1].sequence)
        assert (await stores.tasks.find(ALICE, claimed.task.id)).journal_length > read[-1].sequence

    async def test_appending_again_changes_nothing_of_the_entry(self, stores: Stores):
        claimed = await run_one(stores)
        await stores.journal.append([entry(claimed, "m1", b'{"step": 1}')])
        await stores.journal.append([entry(claimed, "m1", b'{"step": 2}')])
        (read,) = await stores.journal.read(ALICE, claimed.task.id)
        assert read.detail == {"step": 1}

    async def test_one_entry_twice_in_a_batch_is_one(self, stores: Stores):
        claimed = await run_one(stores)
        twice = [entry(claimed, "m1"), entry(claimed, "m1")]
        assert await stores.journal.append(twice) == [Appended(0), Appended(0)]

    async def test_the_same_entry_twice_at_once_is_one(self, stores: Stores):
        claimed = await run_one(stores)
        together = await asyncio.gather(*(stores.journal.append([entry(claimed, "m1")]) for _ in range(6)))
        assert together == [[Appended(0)]] * 6
        assert len(await stores.journal.read(ALICE, claimed.task.id)) == 1

    @pytest.mark.parametrize("status", [TaskStatus.SUCCEEDED, TaskStatus.WAITING])
    async def test_appending_again_is_answered_also_after_the_attempt_was_settled(
        self, stores: Stores, status: TaskStatus
    ):
        claimed = await run_one(stores)
        await stores.journal.append([entry(claimed, "m1")])
        await settle(stores, claimed, status)
        assert await stores.journal.append([entry(claimed, "m1"), entry(claimed, "m2")]) == [Appended(0), Refused()]

    async def test_appending_again_is_refused_once_the_task_was_taken_away(self, stores: Stores):
        worker_id = await register(stores)
        old = await run_one(stores, worker_id=worker_id)
        await stores.journal.append([entry(old, "s1:pay")])
        await lose_worker(stores, worker_id)
        assert await stores.journal.append([entry(old, "s1:pay")]) == [Refused()]
        await claim_one(stores)
        assert await stores.journal.append([entry(old, "s1:pay")]) == [Refused()]

    async def test_an_entry_of_an_earlier_attempt_is_not_written_over(self, stores: Stores):
        worker_id = await register(stores)
        old = await run_one(stores, worker_id=worker_id)
        await stores.journal.append([entry(old, "m1", b'{"step": 1}')])
        await lose_worker(stores, worker_id)
        again = await claim_one(stores)
        bad, good = await stores.journal.append([entry(again, "m1", b'{"step": 2}'), entry(again, "m2")])
        assert isinstance(bad, NotStorable)
        assert isinstance(good, Appended)
        read = await stores.journal.read(ALICE, again.task.id)
        assert [(each.key, each.attempt, each.detail) for each in read] == [("m1", 1, {"step": 1}), ("m2", 2, {})]

    async def test_an_entry_of_an_earlier_attempt_is_refused_once_the_task_does_not_run(self, stores: Stores):
        first = await run_one(stores)
        await stores.journal.append([entry(first, "m1")])
        await settle(stores, first, TaskStatus.QUEUED)
        again = await claim_one(stores)
        await settle(stores, again, TaskStatus.WAITING)
        assert await stores.journal.append([entry(again, "m1")]) == [Refused()]

    async def test_append_and_rescue_at_once_agree(self, stores: Stores):
        for _ in range(5):
            worker_id = await register(stores)
            claimed = await run_one(stores, worker_id=worker_id)
            await stores.workers.deregister(worker_id)
            (outcome,), _rescued = await asyncio.gather(
                stores.journal.append([entry(claimed, "m1")]), stores.upkeep.rescue_expired_leases(3, 10)
            )
            again = await claim_one(stores)
            read = await stores.journal.read(ALICE, claimed.task.id)
            assert again.task.journal_length == len(read) == isinstance(outcome, Appended)
            await settle(stores, again)
