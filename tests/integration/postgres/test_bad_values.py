"""One value that PostgreSQL can't keep must not fail the writes that share its statement."""

import secrets
from dataclasses import replace

import pytest

from roadworthy.domain.journal import Appended, NotStorable
from roadworthy.domain.task import TaskStatus, Turn
from roadworthy.ports.task_store import Settled, Submitted
from roadworthy.testing.conformance.scenario import ALICE, end_of, entry, new_task, run_one
from roadworthy.testing.conformance.stores import Stores

UNKEEPABLE = {"NUL": "a\0b", "half a surrogate pair": "a\ud800b"}
TOO_LONG = secrets.token_hex(9000)
"""For an index, even compressed."""


@pytest.mark.parametrize("text", UNKEEPABLE.values(), ids=UNKEEPABLE)
async def test_a_bad_input_fails_alone(stores: Stores, text: str):
    outcomes = await stores.tasks.submit([new_task(), new_task(input=text), new_task()])
    assert [type(outcome) for outcome in outcomes] == [Submitted, NotStorable, Submitted]


async def test_a_key_too_long_for_an_index_fails_alone(stores: Stores):
    outcomes = await stores.tasks.submit([new_task(), new_task(idempotency_key=TOO_LONG)])
    assert [type(outcome) for outcome in outcomes] == [Submitted, NotStorable]
    assert len(await stores.sessions.list(ALICE)) == 1


@pytest.mark.parametrize("key", [*UNKEEPABLE.values(), TOO_LONG], ids=[*UNKEEPABLE, "too long"])
async def test_a_bad_entry_fails_alone(stores: Stores, key: str):
    claimed, neighbour = await run_one(stores), await run_one(stores)
    bad = replace(entry(claimed, "bad"), key=key)
    outcomes = await stores.journal.append([entry(claimed, "m1"), entry(neighbour, "m1"), bad, entry(claimed, "m2")])
    assert [type(outcome) for outcome in outcomes] == [Appended, Appended, NotStorable, Appended]


@pytest.mark.parametrize("detail", [b"", b"not json", b"[1]", b'{"a": 1', b"\xff"])
async def test_a_detail_that_could_not_be_read_again_is_refused(stores: Stores, detail: bytes):
    claimed = await run_one(stores)
    outcomes = await stores.journal.append([entry(claimed, "m1", detail), entry(claimed, "m2")])
    assert [type(outcome) for outcome in outcomes] == [NotStorable, Appended]


async def test_a_payload_is_bytes_and_kept_as_it_is(stores: Stores):
    claimed = await run_one(stores)
    await stores.journal.append([entry(claimed, "m1", b'{"text": "a\\u0000b"}')])
    (read,) = await stores.journal.read(ALICE, claimed.task.id)
    assert read.detail == {"text": "a\0b"}


@pytest.mark.parametrize("text", UNKEEPABLE.values(), ids=UNKEEPABLE)
async def test_a_bad_reason_is_kept_without_what_cannot_be_kept(stores: Stores, text: str):
    claimed = await run_one(stores)
    (outcome,) = await stores.tasks.settle([end_of(claimed, reason=text)])
    assert isinstance(outcome, Settled)
    assert outcome.task.status is TaskStatus.SUCCEEDED
    assert outcome.task.reason in ("ab", "a?b")


async def test_a_task_whose_end_cannot_be_kept_is_dead_and_says_why(stores: Stores):
    bad, good = await run_one(stores), await run_one(stores)
    turn = Turn("a\0b", b"")
    outcomes = await stores.tasks.settle([end_of(bad, turn=turn, output=b"1"), end_of(good)])
    tasks = [outcome.task for outcome in outcomes if isinstance(outcome, Settled)]
    assert [task.status for task in tasks] == [TaskStatus.DEAD, TaskStatus.SUCCEEDED]
    assert "can't be stored" in (tasks[0].reason or "")
    assert await stores.sessions.history(ALICE, bad.task.session_id, 9) == []
