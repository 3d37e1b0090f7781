"""Conversations in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from roadworthy.adapters.postgres.failures import translated
from roadworthy.adapters.postgres.pool import Pool
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.adapters.postgres.rows import Row
from roadworthy.domain.errors import NotFound, SessionBusy
from roadworthy.domain.ids import SessionId
from roadworthy.domain.operator_action import THE_USERS_OWN
from roadworthy.domain.principal import Principal
from roadworthy.domain.session import Message, Session
from roadworthy.domain.task import Turn


class PostgresSessionStore:
    """A `SessionStore`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("session_store")

    @translated
    async def find(self, principal: Principal, session_id: SessionId) -> Session:
        return await self._find(principal, session_id)

    @translated
    async def list(self, principal: Principal, limit: int = 50, before: SessionId | None = None) -> list[Session]:
        found = await self._pool.fetch(self._queries["list"], principal.tenant, principal.user, before, limit)
        return [_session(row, principal) for row in found]

    @translated
    async def history(self, principal: Principal, session_id: SessionId, turns: int) -> Sequence[Turn]:
        found = await self._pool.fetch(self._queries["history"], session_id, turns, principal.tenant, principal.user)
        if not found:
            await self._find(principal, session_id)
        return [Turn(row[0], row[1]) for row in found]

    @translated
    async def messages(self, principal: Principal, session_id: SessionId) -> Sequence[Message]:
        found = await self._pool.fetch(self._queries["messages"], session_id, principal.tenant, principal.user)
        if not found:
            await self._find(principal, session_id)
        said: list[Message] = []
        for task_id, text, created_at, output, ended_at in found:
            said.append(Message("user", text, task_id, created_at.timestamp()))
            if output is not None:
                said.append(Message("assistant", orjson.loads(output), task_id, ended_at.timestamp()))
        return said

    @translated
    async def delete(self, principal: Principal, session_id: SessionId) -> None:
        async with self._pool.transaction() as transaction:
            if not await transaction.fetch(self._queries["lock_session"], session_id, principal.tenant, principal.user):
                raise NotFound
            if (await transaction.fetch(self._queries["has_open_task"], session_id))[0][0]:
                raise SessionBusy("the session has a task that has not ended; cancel it, or wait for its end")
            await transaction.fetch(self._queries["delete"], session_id, list(THE_USERS_OWN))

    async def _find(self, principal: Principal, session_id: SessionId) -> Session:
        found = await self._pool.fetch(self._queries["find"], session_id, principal.tenant, principal.user)
        if not found:
            raise NotFound
        return _session(found[0], principal)


def _session(row: Row, principal: Principal) -> Session:
    return Session(row[0], principal, row[1], row[2].timestamp(), row[3].timestamp())
