"""Journals in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from roadworthy.adapters.postgres import rows
from roadworthy.adapters.postgres.failures import NotAccepted, translated
from roadworthy.adapters.postgres.pool import Pool
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.adapters.postgres.uncertain_charges import settlement_values
from roadworthy.domain.event import MAX_ENTRIES
from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import Appended, EntryKind, EntryWrite, JournalEntry, NotStorable, Refused
from roadworthy.domain.principal import Principal

AppendOutcome = Appended | Refused | NotStorable
_Place = tuple[TaskId, int, str]


class PostgresJournal:
    """A `Journal`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("journal")
        append, settled_charges = self._queries["append"], self._queries["settled_charges"]
        self._append_entries = append.replace("{settled_charges}", "")
        self._append_and_settle = append.replace("{settled_charges}", settled_charges)
        self._settle_open = load_queries("budget_ledger")["settle"]

    @translated
    async def append(self, entries: Sequence[EntryWrite]) -> list[AppendOutcome]:
        outcomes: dict[int, AppendOutcome] = {}
        readable: dict[int, EntryWrite] = {}
        for position, entry in enumerate(entries):
            if (problem := _problem(entry)) is None:
                readable[position] = entry
            else:
                outcomes[position] = NotStorable(problem)
        if readable:
            written = await self._append_or_singly(list(readable.values()))
            outcomes.update(zip(readable, written, strict=True))
        await self._settle([entries[position] for position, each in outcomes.items() if isinstance(each, NotStorable)])
        return [outcomes[position] for position in range(len(entries))]

    @translated
    async def read(self, principal: Principal, task_id: TaskId, start: int = 0) -> list[JournalEntry]:
        found = await self._pool.fetch(self._queries["read"], task_id, start, principal.tenant, principal.user)
        return [
            JournalEntry(row[0], row[1], EntryKind(row[2]), row[3], row[4], orjson.loads(row[5]), row[6].timestamp())
            for row in found
        ]

    async def _append_or_singly(self, entries: Sequence[EntryWrite]) -> list[AppendOutcome]:
        try:
            return await self._append(entries)
        except NotAccepted as problem:
            if len(entries) == 1:
                return [NotStorable(str(problem))]
            # One bad entry fails the whole statement; alone it fails alone.
            return [(await self._append_or_singly([entry]))[0] for entry in entries]

    async def _append(self, entries: Sequence[EntryWrite]) -> list[AppendOutcome]:
        fences = [entry.fence for entry in entries]
        charges = _charges(entries)
        written = await self._pool.fetch(
            self._append_and_settle if charges else self._append_entries,
            [fence.task_id for fence in fences],
            [fence.attempt for fence in fences],
            [fence.claim_token for fence in fences],
            [entry.key for entry in entries],
            [entry.kind.value for entry in entries],
            [entry.payload for entry in entries],
            [entry.detail for entry in entries],
            MAX_ENTRIES,
            [entry.usage and rows.json_text(entry.usage) for entry in entries],
            *charges,
        )
        sequences: dict[_Place, int | None] = {(row[0], row[1], row[2]): row[3] for row in written}
        missing = [entry for entry in entries if _place(entry) not in sequences]
        if missing:
            sequences.update(await self._appended_before(missing))
        return [_outcome(sequences, entry) for entry in entries]

    async def _settle(self, entries: Sequence[EntryWrite]) -> None:
        """The charges of entries that can't be stored."""
        charges = [entry.charge for entry in entries if entry.charge is not None]
        if charges:
            await self._pool.fetch(self._settle_open, *settlement_values(charges))

    async def _appended_before(self, entries: Sequence[EntryWrite]) -> dict[_Place, int | None]:
        """None for one that is neither there nor refused."""
        fences = [entry.fence for entry in entries]
        found = await self._pool.fetch(
            self._queries["appended_before"],
            [fence.task_id for fence in fences],
            [entry.key for entry in entries],
            [fence.attempt for fence in fences],
            [fence.claim_token for fence in fences],
        )
        return {(row[0], row[1], row[2]): row[3] for row in found}


_NOT_WRITTEN = NotStorable(
    f"the key is in the journal already, from an earlier attempt, or the journal has {MAX_ENTRIES} entries and is full"
)


def _place(entry: EntryWrite) -> _Place:
    return (entry.fence.task_id, entry.fence.attempt, entry.key)


def _charges(entries: Sequence[EntryWrite]) -> tuple[object, ...]:
    """What is settled with them, and with which of them; nothing where none brings a charge."""
    charges = [entry.charge for entry in entries if entry.charge is not None]
    if not charges:
        return ()
    positions = [position for position, entry in enumerate(entries, 1) if entry.charge is not None]
    return (*settlement_values(charges), positions)


def _outcome(sequences: Mapping[_Place, int | None], entry: EntryWrite) -> AppendOutcome:
    if _place(entry) not in sequences:
        return Refused()
    sequence = sequences[_place(entry)]
    return _NOT_WRITTEN if sequence is None else Appended(sequence)


def _problem(entry: EntryWrite) -> str | None:
    """What would make the entry unreadable."""
    try:
        detail = orjson.loads(entry.detail)
    except ValueError as error:
        return f"the detail of journal entry {entry.key!r} is not JSON: {error}"
    return None if isinstance(detail, dict) else f"the detail of journal entry {entry.key!r} is not a JSON object"
