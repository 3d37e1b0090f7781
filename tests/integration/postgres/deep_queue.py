"""A queue as deep as in a bad hour: filled by one statement, because a million submissions would take minutes."""

from __future__ import annotations

import os
from typing import Any

import asyncpg

LANES = [f"agent {number}@1" for number in range(50)]
OWNERS = 1000
ROWS = int(os.environ.get("DEEP_QUEUE_ROWS", "60000"))
"""Of the deep queue. A million take half a minute to write: `DEEP_QUEUE_ROWS=1000000`."""

_INDEXES = """
    select indexname, indexdef from pg_indexes where tablename in ('tasks', 'sessions') and indexname not like '%pkey'
"""
_FILL = """
with made as (
    select n, format('00000000-0000-7000-8000-%s', lpad(to_hex(n), 12, '0'))::uuid as id
    from generate_series(1, $1::integer) as n
), their_sessions as (
    insert into sessions (id, tenant, owner, busy, created_at, updated_at)
    select id, 'acme', 'user ' || n % $3::integer, true, now(), now() from made
), counters as (
    insert into owners (lane, priority, tenant, owner, last_tag, drawn)
    select lane, 0, 'acme', 'user ' || number, $1::integer, 1
    from unnest($2::text[]) as lane, generate_series(0, $3::integer - 1) as number
)
insert into tasks (
    id, tenant, owner, session_id, agent, version, lane, priority, status, input, limits, metadata, fair_tag, place,
    changes, expires_at, created_at
)
select
    id, 'acme', 'user ' || n % $3::integer, id, split_part(lane, '@', 1), '1', lane, 0, 'queued',
    'Where is my parcel?', '{"queue_seconds": 600, "waiting_seconds": 6000}', '{}',
    n / cardinality($2::text[]) + 1, 0, '[[264241152, "queued", null, 1.0]]', now() + interval '1 day', now()
from made cross join lateral (select ($2::text[])[n % cardinality($2::text[]) + 1] as lane) of_lane
"""


async def fill(connection: Any, rows: int = ROWS) -> None:
    """Queue that many tasks, spread evenly over all lanes and owners; nothing is analysed or vacuumed afterwards."""
    # An index that is made afterwards takes half the time.
    indexes = await connection.fetch(_INDEXES)
    for index in indexes:
        await connection.execute(f"drop index {index['indexname']}")
    await connection.fetch(_FILL, rows, LANES, OWNERS)
    for index in indexes:
        await connection.execute(index["indexdef"])


async def keep_vacuum_away(connection: Any) -> None:
    for table in ("tasks", "sessions", "owners", "lanes"):
        await connection.execute(f"alter table {table} set (autovacuum_enabled = false)")


async def connect(url: str) -> Any:
    return await asyncpg.connect(url, timeout=120, command_timeout=600)
