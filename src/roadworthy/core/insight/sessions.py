"""What a user may ask about their conversations."""

from __future__ import annotations

from collections.abc import Sequence

from roadworthy.core.insight.page import Page, cursor_after, id_of_cursor
from roadworthy.domain.ids import SessionId
from roadworthy.domain.principal import Principal
from roadworthy.domain.session import Message, Session
from roadworthy.ports.session_store import SessionStore


class Sessions:
    """Reads and deletes sessions; every method sees only those of the principal and raises StoreUnavailable."""

    def __init__(self, session_store: SessionStore) -> None:
        self._session_store = session_store

    async def find(self, principal: Principal, session_id: SessionId) -> Session:
        """NotFound if it isn't there or isn't the principal's."""
        return await self._session_store.find(principal, session_id)

    async def list(self, principal: Principal, limit: int, cursor: str | None = None) -> Page[Session]:
        """IllegalCursor for a cursor that no page gave."""
        before = None if cursor is None else id_of_cursor(cursor)
        sessions = await self._session_store.list(principal, limit, before)
        return Page(sessions, cursor_after(sessions[-1].id) if len(sessions) == limit else None)

    async def messages(self, principal: Principal, session_id: SessionId) -> Sequence[Message]:
        """What was said, oldest first. NotFound if the session isn't the principal's."""
        return await self._session_store.messages(principal, session_id)

    async def delete(self, principal: Principal, session_id: SessionId) -> None:
        """Delete the session with its tasks and messages; NotFound, or SessionBusy while a task of it is open."""
        await self._session_store.delete(principal, session_id)
