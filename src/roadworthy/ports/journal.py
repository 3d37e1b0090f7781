"""Where the journals of tasks live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import Appended, EntryWrite, JournalEntry, NotStorable, Refused
from roadworthy.domain.principal import Principal


class Journal(Protocol):
    async def append(self, entries: Sequence[EntryWrite]) -> list[Appended | Refused | NotStorable]:
        """Commit entries of any number of tasks; one outcome an entry, in their order.

        Refused unless the entry's fence is that of the task's present attempt and the task is running. Entries
        of one task are numbered in the order given. An entry whose key is there already (same attempt: a lost
        acknowledgement) answers `Appended` with its sequence and changes nothing, also once that attempt was
        settled, but not once the task was taken away from it: the answer would be leave to act. One that can't
        be stored fails alone. Resets the tasks' `failures`. A task's usage is the one with most calls that any
        entry told of: writes that run side by side may overtake each other.
        """
        ...

    async def read(self, principal: Principal, task_id: TaskId, start: int = 0) -> list[JournalEntry]:
        """Entries from sequence `start` on, in order; empty if the task isn't the principal's."""
        ...
