"""What the tools under test have done to the world: rows in a database of their own, each written through the tool's
own connection, and unique in nothing, so that what happened twice is there twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from .gates import gate

MAKE_EFFECTS = """
create table effects (
    place bigserial primary key,
    task_id text not null,
    tool text not null,
    item text not null,
    key text not null,
    attempt integer not null,
    pid integer not null
);

create table gates (lock integer primary key, entry_key text, status text, task_id text);

create function pass_gate(point text, passing text) returns void language sql as $$
    select count(pg_advisory_xact_lock_shared(lock)) from gates where entry_key = point and passing like task_id
$$;

create function stop_at_gates() returns trigger language plpgsql as $$
begin
    perform pass_gate('effect', new.task_id);
    return new;
end
$$;

create trigger stop_at_gates before insert on effects for each row execute function stop_at_gates();
"""
"""A tool stands at the gate `effect` in the middle of its statement, and at `after` once that is committed."""


@dataclass(frozen=True, slots=True)
class Effect:
    task_id: str
    tool: str
    item: str
    key: str
    """The idempotency key of the call that made it."""
    attempt: int
    """Of the task, that made the call."""
    pid: int


class EffectDatabase:
    def __init__(self, url: str) -> None:
        self.url = url

    async def make(self) -> None:
        connection = await asyncpg.connect(self.url)
        await connection.execute(MAKE_EFFECTS)
        await connection.close()

    async def effects(self, task_id: str = "%", tool: str = "%", item: str = "%") -> list[Effect]:
        """What has happened, in order."""
        connection = await asyncpg.connect(self.url)
        try:
            rows = await connection.fetch(_EFFECTS, task_id, tool, item)
        finally:
            await connection.close()
        return [Effect(*row) for row in rows]

    def gate(self, point: str, task_id: str = "%") -> Any:
        return gate(self.url, entry=point, task_id=task_id)


_EFFECTS = "select task_id, tool, item, key, attempt, pid from effects \
where task_id like $1 and tool like $2 and item like $3 order by place"
