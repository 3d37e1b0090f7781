"""A store that is away, stopped or in the way of others: one error for callers, and connections that heal."""

import asyncio
import os
import signal
import time

import pytest

from roadworthy.adapters.postgres import Pool, PostgresJournal, PostgresTaskStore, open_pool
from roadworthy.adapters.postgres import pool as pool_module
from roadworthy.domain.errors import SettingsInvalid, StoreUnavailable
from roadworthy.domain.journal import Appended
from roadworthy.domain.task import TaskStatus
from roadworthy.testing.conformance.scenario import ALICE, end_of, entry, new_task, run_one, submit
from roadworthy.testing.conformance.stores import Stores

from .other_connection import OtherConnection

LOCK_TASK = "select from tasks where id = $1 for no key update"
LOCK_SESSION = "select from sessions where id = $1 for no key update"
END_WAITING = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'"
END_IDLE = """
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and application_name = 'roadworthy'
"""


async def test_nobody_there_is_store_unavailable(tmp_path: os.PathLike[str]):
    with pytest.raises(StoreUnavailable):
        await open_pool(f"postgresql://nobody@/none?host={tmp_path}")


async def test_a_database_that_does_not_exist_is_a_wrong_setting(url: str):
    with pytest.raises(SettingsInvalid, match="ROADWORTHY_DATABASE_URL"):
        await open_pool(url.replace("/migrated", "/nowhere"))


async def test_a_server_that_is_too_old_is_a_wrong_setting(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool_module, "OLDEST_SERVER", 99)
    with pytest.raises(SettingsInvalid, match="needs 99"):
        await open_pool(url)


async def test_connections_that_the_server_closed_are_replaced(stores: Stores, other: OtherConnection):
    await asyncio.gather(*(stores.tasks.ping() for _ in range(5)))
    await other.connection.execute(END_IDLE)
    try:
        await stores.tasks.ping()
    except StoreUnavailable:
        await stores.tasks.ping()


@pytest.mark.parametrize("call", ["submit", "append", "settle"])
async def test_a_call_whose_connection_broke_can_be_repeated(stores: Stores, other: OtherConnection, call: str):
    claimed = await run_one(stores)
    follow_up = new_task(session_id=claimed.task.session_id)

    async def write():
        match call:
            case "submit":
                return await stores.tasks.submit([follow_up])
            case "append":
                return await stores.journal.append([entry(claimed, "m1")])
            case _:
                return await stores.tasks.settle([end_of(claimed)])

    async with other.holding(LOCK_SESSION if call == "submit" else LOCK_TASK, lock_of(claimed.task, call)):
        broken = await other.until_waiting(write())
        await other.connection.execute(END_WAITING)
        with pytest.raises(StoreUnavailable):
            await broken
    assert await write() == await write()


def lock_of(task, call: str):
    return task.session_id if call == "submit" else task.id


async def test_a_stopped_server_process_costs_its_caller_the_deadline_and_nobody_else_anything(url: str):
    pool = await open_pool(url, 2, seconds=0.5)
    store = PostgresTaskStore(pool)
    ((pid,),) = await pool.fetch("select pg_backend_pid()")
    os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.ping()
        assert time.monotonic() - started < 2
        await store.ping()
    finally:
        os.kill(pid, signal.SIGCONT)
        await pool.close()


async def test_a_lock_that_is_held_too_long_is_store_unavailable(stores: Stores, url: str, other: OtherConnection):
    claimed = await run_one(stores)
    impatient = Pool(url, 1, seconds=0.3)
    async with other.holding(LOCK_TASK, claimed.task.id):
        with pytest.raises(StoreUnavailable):
            await PostgresJournal(impatient).append([entry(claimed, "m1")])
    await impatient.close()
    assert len(await stores.journal.append([entry(claimed, "m1")])) == 1


async def test_waiting_for_a_free_connection_ends_too(url: str, stores: Stores, other: OtherConnection):
    claimed = await run_one(stores)
    small = Pool(url, 1, seconds=0.5)
    async with other.holding(LOCK_TASK, claimed.task.id):
        calls = [PostgresJournal(small).append([entry(claimed, f"m{n}")]) for n in range(3)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
    await small.close()


async def test_a_cancelled_call_gives_its_place_in_the_pool_back(url: str, stores: Stores, other: OtherConnection):
    claimed = await run_one(stores)
    small = Pool(url, 1)
    async with other.holding(LOCK_SESSION, claimed.task.session_id):
        call = await other.until_waiting(PostgresTaskStore(small).cancel(ALICE, claimed.task.id))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    await PostgresTaskStore(small).ping()
    await small.close()


async def test_a_call_that_loses_a_deadlock_is_run_again(stores: Stores, other: OtherConnection):
    claimed = sorted([await run_one(stores), await run_one(stores)], key=lambda each: each.task.id)
    async with other.holding(LOCK_TASK, claimed[1].task.id) as connection:
        append = await other.until_waiting(stores.journal.append([entry(each, "m1") for each in claimed]))
        await connection.execute("set local deadlock_timeout = '30s'")  # so that the other one gives up
        await connection.fetch(LOCK_TASK, claimed[0].task.id)
    assert await append == [Appended(0), Appended(0)]


async def test_a_database_that_was_not_migrated_says_what_to_do(empty_url: str):
    pool = await open_pool(empty_url)
    with pytest.raises(StoreUnavailable, match="roadworthy migrate"):
        await PostgresTaskStore(pool).submit([new_task()])
    await pool.close()


async def test_a_closed_pool_leaves_no_connection(url: str, other: OtherConnection):
    pool = await open_pool(url, 3, application_name="closing")
    store = PostgresTaskStore(pool)
    await asyncio.gather(*(store.ping() for _ in range(3)))
    await pool.close()
    await other.until("select not exists (select from pg_stat_activity where application_name = 'closing')")


async def test_tasks_are_safe_when_the_pool_is_closed_during_a_call(url: str, stores: Stores):
    pool = await open_pool(url, 1)
    new = new_task()
    call = asyncio.create_task(PostgresTaskStore(pool).submit([new]))
    await asyncio.sleep(0)
    await pool.close()
    await asyncio.gather(call, return_exceptions=True)
    (task,) = await submit(stores, new)
    assert task.status is TaskStatus.QUEUED
