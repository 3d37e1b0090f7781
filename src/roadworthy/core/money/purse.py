"""What one task has spent and may still spend."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol
from uuid import UUID

from roadworthy.domain.money import MicroDollars

NO_LIMIT: MicroDollars = 10**15
"""A billion dollars: of a task whose limit is zero, which means that it has none."""


class Held(Protocol):
    """A call that money is held for."""

    charge_id: UUID

    def forsake(self) -> None:
        """Let go of the money, and say what became of it."""
        ...

    def committed(self) -> None:
        """Its journal entry is committed, and the end of the charge with it."""
        ...

    def settle_alone(self) -> None:
        """End the charge without the entry."""
        ...


class Purse:
    """The money of one generation of a task, in the attempt that runs it."""

    def __init__(self, limit: MicroDollars) -> None:
        self.limit = limit or NO_LIMIT
        self.journaled: MicroDollars = 0
        """What the entries of the journal cost."""
        self.outside_journal: MicroDollars = 0
        """Spent on calls without an entry: they failed, or nobody knows what became of them."""
        self.spent_before: MicroDollars = 0
        """On such calls, in earlier generations. It counts for the task, not for its limit."""
        self.under_way: MicroDollars = 0
        """Held for calls whose price is not known yet."""
        self.turn = asyncio.Lock()
        """Whose call is next to get money of this purse: first come, first served."""
        self._unwritten: dict[UUID, Held] = {}
        """Whose journal entries are not known to be committed."""
        self._held: dict[UUID, tuple[Held, MicroDollars]] = {}
        self._changed = asyncio.Event()

    @property
    def spent(self) -> MicroDollars:
        """Settled or uncertain."""
        return self.journaled + self.outside_journal

    @property
    def left(self) -> MicroDollars:
        """What the next call may cost at most."""
        return max(self.limit - self.spent - self.under_way, 0)

    def hold(self, call: Held, amount: MicroDollars) -> None:
        """Keep money for a call; once more: another amount."""
        self._free(call.charge_id)
        self._held[call.charge_id] = (call, amount)
        self.under_way += amount
        self._changed.set()

    def writes(self, charge_id: UUID) -> None:
        """The call's journal entry counts from now on, and is about to be written."""
        if (held := self._held.get(charge_id)) is not None:
            self._unwritten[charge_id] = held[0]
            self.let_go(charge_id)

    def has_written(self, charge_id: UUID) -> None:
        """That entry is committed."""
        if (call := self._unwritten.pop(charge_id, None)) is not None:
            call.committed()

    def settle_unwritten(self) -> None:
        """The store refuses all entries from now on."""
        for call in self._unwritten.values():
            call.settle_alone()
        self._unwritten.clear()

    def let_go(self, charge_id: UUID) -> None:
        """The call was not made, or what it cost counts otherwise now."""
        self._free(charge_id)
        self._changed.set()

    def close(self) -> None:
        """Nothing more is done for the task in this attempt."""
        for call, _ in list(self._held.values()):
            call.forsake()

    async def change(self, seconds: float) -> None:
        """Returns when less is held than before, or after so long."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _free(self, charge_id: UUID) -> None:
        if (held := self._held.pop(charge_id, None)) is not None:
            self.under_way -= held[1]
