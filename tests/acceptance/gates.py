"""Stops a writer of the database at a chosen row, so that a test can act exactly there.

A trigger, which only the databases of these tests have, takes an advisory lock that the test holds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from zlib import crc32

import asyncpg

from .watched import SECONDS

MAKE_GATES = """
create table gates (lock integer primary key, entry_key text, status text, task_id text);

create function stop_at_gates() returns trigger language plpgsql as $$
begin
    if tg_table_name = 'journal_entries' then
        perform pg_advisory_xact_lock_shared(lock) from gates
        where new.key like entry_key and new.task_id::text like gates.task_id;
    else
        perform pg_advisory_xact_lock_shared(lock) from gates
        where new.status = gates.status and new.id::text like gates.task_id;
    end if;
    return new;
end
$$;

create trigger stop_at_gates before insert on journal_entries for each row execute function stop_at_gates();
create trigger stop_at_gates before update of status on tasks for each row
    when (old.status <> new.status) execute function stop_at_gates();
"""

_WAITING = "select pid from pg_locks where locktype = 'advisory' and objid = $1 and not granted and database = (\
select oid from pg_database where datname = current_database())"


class Gate:
    def __init__(self, connection: Any, lock: int) -> None:
        self._connection = connection
        self._lock = lock
        self._closed = True

    async def until_reached(self) -> None:
        """Wait until a transaction stands at the gate."""
        deadline = time.monotonic() + SECONDS
        while not await self._connection.fetch(_WAITING, self._lock):
            assert time.monotonic() < deadline, "no transaction came to the gate"
            await asyncio.sleep(0.002)

    async def open(self) -> None:
        """Let everybody pass; returns when those who stood there have committed."""
        if not self._closed:
            return
        self._closed = False
        await self._connection.execute("delete from gates where lock = $1", self._lock)
        await self._connection.execute("select pg_advisory_unlock($1)", self._lock)
        # What passed holds the lock, shared, until its commit.
        await self._connection.execute("select pg_advisory_lock($1)", self._lock)
        await self._connection.execute("select pg_advisory_unlock($1)", self._lock)

    async def end_who_waits(self) -> None:
        """Roll back what stands at the gate, as when the connection's end had been noticed; then open."""
        await self._connection.execute("delete from gates where lock = $1", self._lock)
        await self._connection.fetch(f"select pg_terminate_backend(pid, 5000) from ({_WAITING}) waiting", self._lock)
        await self.open()


@asynccontextmanager
async def gate(
    url: str, *, entry: str | None = None, status: str | None = None, task_id: str = "%"
) -> AsyncGenerator[Gate]:
    """A closed gate in front of journal entries whose key is like `entry`, or of a task's change to `status`: of one
    task, or of all."""
    connection = await asyncpg.connect(url)
    lock = crc32(f"{entry}/{status}/{task_id}".encode()) >> 1
    await connection.execute("select pg_advisory_lock($1)", lock)
    values = (lock, entry, status, task_id)
    await connection.execute("insert into gates (lock, entry_key, status, task_id) values ($1, $2, $3, $4)", *values)
    closed = Gate(connection, lock)
    try:
        yield closed
    finally:
        await closed.open()
        await connection.close()
