"""One task per session: what submitting and every way out of a session's busy states have in common.

Locks are taken in this order everywhere: sessions, tasks, owners, each sorted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from roadworthy.adapters.postgres import rows
from roadworthy.adapters.postgres.pool import Transaction
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.domain.ids import SessionId, TaskId
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Task, TaskStatus


class OwnerTags(NamedTuple):
    """An owner's place in a lane, and how many of its tags there nobody will use."""

    lane: str
    priority: int
    tenant: str
    owner: str
    unused: int = 0


class SessionWall:
    def __init__(self) -> None:
        self._queries = load_queries("session_wall")
        self._tags = load_queries("fair_tags")

    async def lock(self, transaction: Transaction, session_id: SessionId) -> Principal | None:
        """Whose session it is, with its row locked; None if it isn't there."""
        found = await transaction.fetch(self._queries["lock_session"], session_id)
        return rows.principal(found[0][0], found[0][1]) if found else None

    async def lock_unlocked(self, transaction: Transaction, sessions: Iterable[SessionId]) -> set[SessionId]:
        """Lock those of the sessions that nobody else has locked."""
        found = await transaction.fetch(self._queries["lock_unlocked"], list(set(sessions)))
        return {row[0] for row in found}

    async def release_next(
        self, transaction: Transaction, sessions: Iterable[SessionId], changed: Sequence[Task] = ()
    ) -> list[Task]:
        """Queue the next blocked task of each of the sessions that is free; their rows are locked.

        `changed` are tasks that this transaction has queued, or taken out of the queue, before.
        """
        released: list[Task] = []
        if free := list(set(sessions)):
            released = [rows.task(row) for row in await transaction.fetch(self._queries["release_next"], free)]
        await self.enqueue(transaction, [*changed, *released])
        return released

    async def enqueue(
        self, transaction: Transaction, tasks: Sequence[Task], concerned: Sequence[OwnerTags] = ()
    ) -> None:
        """Give those that were just queued their place among the others of their lane, and take back the place of
        those that left the queue without being claimed.

        `concerned` are owners who leave tags in other lanes, or who draw some later in this transaction.
        """
        queued: list[TaskId] = [task.id for task in tasks if task.status is TaskStatus.QUEUED]
        unclaimed: list[TaskId] = [task.id for task in tasks if _left_unclaimed(task)]
        if unclaimed or concerned:
            columns = zip(*concerned, strict=True) if concerned else ((),) * len(OwnerTags._fields)
            await transaction.fetch(self._tags["give_back"], unclaimed, queued, *(list(column) for column in columns))
        if queued:
            await transaction.fetch(self._tags["draw"], queued)


def _left_unclaimed(task: Task) -> bool:
    return (
        task.status in (TaskStatus.CANCELLED, TaskStatus.EXPIRED, TaskStatus.DEAD)
        and len(task.changes) > 1
        and task.changes[-2].status is TaskStatus.QUEUED
    )


def sessions_of(tasks: Iterable[Task]) -> list[UUID]:
    return [task.session_id for task in tasks]
