"""Conversations in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence

from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.task_row import owns
from roadworthy.domain.errors import SessionBusy
from roadworthy.domain.ids import SessionId
from roadworthy.domain.principal import Principal
from roadworthy.domain.session import Message, Session
from roadworthy.domain.task import OPEN, Turn


class MemorySessionStore:
    """A `SessionStore` over a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def find(self, principal: Principal, session_id: SessionId) -> Session:
        return await self._database.run(
            "session_store.find", lambda: self._database.session_of(principal, session_id).session()
        )

    async def list(self, principal: Principal, limit: int = 50, before: SessionId | None = None) -> list[Session]:
        def page() -> list[Session]:
            rows = sorted(self._database.sessions.values(), key=lambda row: row.id, reverse=True)
            mine = [row for row in rows if owns(principal, row.principal) and (before is None or row.id < before)]
            return [row.session() for row in mine[:limit]]

        return await self._database.run("session_store.list", page)

    async def history(self, principal: Principal, session_id: SessionId, turns: int) -> Sequence[Turn]:
        return await self._database.run(
            "session_store.history", lambda: self._database.session_of(principal, session_id).turns[:turns]
        )

    async def messages(self, principal: Principal, session_id: SessionId) -> list[Message]:
        def messages() -> list[Message]:
            self._database.session_of(principal, session_id)
            said: list[Message] = []
            for row in self._database.tasks_of_session(session_id):
                said.append(Message("user", row.new.input, row.id, row.created_at))
                if row.output is not None:
                    at = row.ended_at or row.changes[-1].at
                    said.append(Message("assistant", json.loads(row.output), row.id, at))
            return said

        return await self._database.run("session_store.messages", messages)

    async def delete(self, principal: Principal, session_id: SessionId) -> None:
        def delete() -> None:
            self._database.session_of(principal, session_id)
            if self._database.tasks_of_session(session_id, OPEN):
                raise SessionBusy("the session has a task that has not ended; cancel it, or wait for its end")
            self._database.delete_session(session_id)

        await self._database.run("session_store.delete", delete)
