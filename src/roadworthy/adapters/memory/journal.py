"""Journals in memory."""

from __future__ import annotations

from collections.abc import Sequence

from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.storable import json_object
from roadworthy.domain.event import MAX_ENTRIES
from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import Appended, EntryWrite, JournalEntry, NotStorable, Refused
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import TaskStatus


class MemoryJournal:
    """A `Journal` over a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def append(self, entries: Sequence[EntryWrite]) -> list[Appended | Refused | NotStorable]:
        return await self._database.run("journal.append", lambda: [self._append_and_settle(entry) for entry in entries])

    async def read(self, principal: Principal, task_id: TaskId, start: int = 0) -> list[JournalEntry]:
        def read() -> list[JournalEntry]:
            row = self._database.tasks.get(task_id)
            return row.journal[start:] if row is not None and row.belongs_to(principal) else []

        return await self._database.run("journal.read", read)

    def _append_and_settle(self, entry: EntryWrite) -> Appended | Refused | NotStorable:
        outcome = self._append(entry)
        if entry.charge is not None:
            self._database.money.settle_open(entry.charge, journaled=isinstance(outcome, Appended))
        return outcome

    def _append(self, entry: EntryWrite) -> Appended | Refused | NotStorable:
        row = self._database.tasks.get(entry.fence.task_id)
        if row is None or not row.holds(entry.fence):
            return Refused()
        for known in row.journal:
            if known.key == entry.key:
                if known.attempt == row.attempt:
                    return Appended(known.sequence)
                if row.status is not TaskStatus.RUNNING:
                    return Refused()
                return NotStorable(f"the key {entry.key!r} is in the journal already, from an earlier attempt")
        if row.status is not TaskStatus.RUNNING:
            return Refused()
        if len(row.journal) >= MAX_ENTRIES:
            return NotStorable(f"the journal has {MAX_ENTRIES} entries and is full")
        try:
            detail = json_object(entry.detail)
        except ValueError as error:
            return NotStorable(f"the detail of journal entry {entry.key!r}: {error}")
        committed = JournalEntry(
            sequence=len(row.journal),
            key=entry.key,
            kind=entry.kind,
            attempt=row.attempt,
            payload=entry.payload,
            detail=detail,
            at=self._database.now(),
        )
        row.journal.append(committed)
        row.failures, row.losses = 0, 0
        if entry.usage is not None and entry.usage.calls > row.usage.calls:
            row.usage = entry.usage
        return Appended(committed.sequence)
