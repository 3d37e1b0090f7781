"""Where conversations live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from roadworthy.domain.ids import SessionId
from roadworthy.domain.principal import Principal
from roadworthy.domain.session import Message, Session
from roadworthy.domain.task import Turn


class SessionStore(Protocol):
    async def find(self, principal: Principal, session_id: SessionId) -> Session:
        """NotFound if it isn't there or isn't the principal's."""
        ...

    async def list(self, principal: Principal, limit: int = 50, before: SessionId | None = None) -> list[Session]:
        """Newest first."""
        ...

    async def history(self, principal: Principal, session_id: SessionId, turns: int) -> Sequence[Turn]:
        """The first `turns` finished turns, oldest first, in their frameworks' encodings."""
        ...

    async def messages(self, principal: Principal, session_id: SessionId) -> Sequence[Message]:
        """What was said, oldest first, as people read it: the input and output of every task that has them.

        NotFound if the session isn't the principal's.
        """
        ...

    async def delete(self, principal: Principal, session_id: SessionId) -> None:
        """Delete the session, its tasks, journals and messages.

        NotFound if it isn't the principal's, SessionBusy while a task of it is blocked, queued, running or
        waiting.
        """
        ...
