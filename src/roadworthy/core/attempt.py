"""One attempt of a task: what it may still do, what it has done, and how that is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from roadworthy.core.publisher import EventPublisher
from roadworthy.domain.errors import (
    Fenced,
    JournalMismatch,
    LimitReached,
    NotKeepable,
    StoreUnavailable,
    TaskInterruption,
)
from roadworthy.domain.event import (
    FIRST_TRY,
    LAST_TRY,
    MAX_ENTRIES,
    Event,
    EventKind,
    EventRecord,
    Place,
    Position,
    entry_events,
    text_end_of,
)
from roadworthy.domain.journal import (
    Appended,
    EntryKind,
    EntryWrite,
    JournalEntry,
    NotStorable,
    Refused,
    counted,
    key_in,
    usage_of,
)
from roadworthy.domain.keepable import check_keepable
from roadworthy.domain.lease import Lease
from roadworthy.domain.service import AgentService
from roadworthy.domain.task import Claimed, Usage

Append = Callable[[EntryWrite], Awaitable[Appended | Refused | NotStorable]]
_LEASE_CHECK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before it is written."""

    name: str
    """Its key without the generation."""
    kind: EntryKind
    payload: bytes
    detail: dict[str, Any]


class Attempt:
    """Everything that the gates of one attempt share."""

    def __init__(
        self,
        claimed: Claimed,
        service: AgentService,
        lease: Lease,
        append: Append,
        publisher: EventPublisher,
    ) -> None:
        task = claimed.task
        self.claimed = claimed
        self.task = task
        self.service = service
        self.limits = task.limits
        self.lease = lease
        self.interruption: TaskInterruption | None = None
        self.steps = 0
        self.usage = Usage()
        """Of this generation: what the limits are compared with."""
        self._spent_before = Usage()
        self.recorded = 0
        self._last_pieces: list[list[str]] = []
        self.position = Position(task.journal_length, len(task.changes))
        self._append = append
        self._publisher = publisher
        self._entries: dict[str, JournalEntry] = {}
        self._unwritten: list[Draft] = []
        self._chain = 0
        self._tries = (-1, 0)
        self._text: TextStream | None = None

    # What it may do

    async def permit(self) -> None:
        """Wait for the right to act: raises what interrupts the attempt, or waits out a lease in doubt."""
        await self.await_lease()
        if self.interruption is not None:
            raise self.interruption

    async def await_lease(self) -> None:
        """Wait while the lease is in doubt; what interrupts the attempt is raised only there."""
        while self.lease.remaining <= 0:
            if self.interruption is not None:
                raise self.interruption
            await asyncio.sleep(_LEASE_CHECK_SECONDS)

    def check_limits(self) -> None:
        """LimitReached when the next model call would be one too many, or the money is gone."""
        if self.steps > self.limits.steps:
            raise LimitReached(f"the task used up its {self.limits.steps} steps")
        if self.limits.cost and self.usage.cost >= self.limits.cost:
            raise LimitReached(f"the task used up its ${self.limits.cost_usd}")

    # What it did before

    def replay(self, entries: Sequence[JournalEntry]) -> None:
        """Answer from these entries what was done before in this generation; the others have only cost money."""
        present = [entry for entry in entries if entry.generation == self.task.generation]
        self._entries = {entry.name: entry for entry in present}
        self._spent_before = usage_of(entry for entry in entries if entry.generation < self.task.generation)
        if entries:
            self.position = Position(entries[-1].sequence + 1, self.position.changes)

    def replayed(self, name: str) -> JournalEntry | None:
        return self._entries.get(name)

    def entries(self) -> list[JournalEntry]:
        """Everything that is in the journal of this generation, in order."""
        return sorted(self._entries.values(), key=lambda entry: entry.sequence)

    def chain(self) -> str:
        """A hash over everything that was done before now, in whatever order calls at the same time came back."""
        return f"{self._chain:016x}"

    def link(self, draft: Draft | JournalEntry) -> None:
        """Make an entry part of the chain."""
        digest = blake2b(draft.name.encode(), digest_size=8)
        digest.update(draft.payload)
        self._chain ^= int.from_bytes(digest.digest())

    def check_replay(self, entry: JournalEntry, name: str, expected: str) -> None:
        """JournalMismatch unless the entry was written by code that did the same up to here."""
        if entry.detail.get(name) != expected:
            raise JournalMismatch(
                f"the journal's entry {entry.key} was made by other code than version "
                f"{self.service.version!r} has now; give changed code a new version, and cancel this task "
                "or run it on the old code"
            )

    def count(self, kind: EntryKind, detail: dict[str, Any]) -> None:
        """Add a finished call to the usage."""
        self.usage = counted(self.usage, kind, detail)
        self._last_pieces = detail.get("pieces") or self._last_pieces

    def recount(self) -> None:
        """Count again from the whole journal, also what this attempt did not come to replay."""
        self.usage = Usage()
        for entry in self.entries():
            if entry.kind in (EntryKind.MODEL, EntryKind.TOOL):
                self.count(entry.kind, entry.detail)

    @property
    def whole_usage(self) -> Usage:
        """Of all generations: what the task costs."""
        return self._spent_before + self.usage

    @property
    def partial_text(self) -> str:
        """The best text so far: of the last model call that said anything, finished or not."""
        return "".join(text for kind, text in self._last_pieces if kind == EventKind.TEXT)

    # What it does now

    def later(self, draft: Draft) -> None:
        """Write this entry together with the next one that is recorded."""
        self._unwritten.append(draft)

    async def record(self, draft: Draft) -> None:
        """Commit the entry and publish its events; returns when it is durable.

        Raises Fenced when a newer attempt owns the task, or what interrupts the attempt while the store is away for
        longer than the lease lasts.
        """
        if self.position.journal + len(self._unwritten) >= MAX_ENTRIES:
            raise LimitReached(f"the task has {MAX_ENTRIES} journal entries, more than one task may have")
        drafts, self._unwritten = [*self._unwritten, draft], []
        fence = self.claimed.fence
        writes = [EntryWrite(fence, self._key(d), d.kind, d.payload, _detail(d)) for d in drafts]
        sequences = await asyncio.gather(*(self._commit(write) for write in writes))
        self.recorded += len(drafts)
        self._publish(drafts, sequences)

    def _key(self, draft: Draft) -> str:
        return key_in(self.task.generation, draft.name)

    async def _commit(self, write: EntryWrite) -> int:
        pause = 0.05
        while True:
            try:
                outcome = await self._append(write)
            except StoreUnavailable:
                if self.interruption is not None and self.lease.remaining <= 0:
                    raise self.interruption from None
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1)
                continue
            match outcome:
                case Appended(sequence):
                    return sequence
                case Refused():
                    raise Fenced
                case NotStorable(message):
                    raise NotKeepable(message)

    def _publish(self, drafts: Sequence[Draft], sequences: Sequence[int]) -> None:
        events: list[Event] = []
        text_end = None
        for draft, sequence in zip(drafts, sequences, strict=True):
            attempt, at = self.task.attempt, time.time()
            entry = JournalEntry(sequence, self._key(draft), draft.kind, attempt, draft.payload, draft.detail, at)
            self._entries[draft.name] = entry
            events.extend(entry_events(entry))
            text_end = text_end_of(entry) or text_end
        before = self.position
        self.position = Position(max(before.journal, *(s + 1 for s in sequences)), before.changes)
        if events:
            record = EventRecord(self.task.id, before, self.position, tuple(events), text_end)
            self._publisher.publish(record)

    def open_text(self) -> TextStream:
        """A stream for the text of one model call; of several at the same time only the first is live."""
        journal = self.position.journal
        tries = self._tries[1] + 1 if self._tries[0] == journal else FIRST_TRY
        live = self._text is None and tries <= LAST_TRY
        if live:
            self._tries = (journal, tries)
        stream = TextStream(self, Place(journal, self.task.attempt, min(tries, LAST_TRY), 0), live)
        if live:
            self._text = stream
        return stream

    def close_text(self, stream: TextStream) -> None:
        if self._text is stream:
            self._text = None
            self._last_pieces = stream.pieces or self._last_pieces

    def publish_text(self, place: Place, kind: EventKind, text: str) -> None:
        again = place.place == 0 and (place.attempt, place.try_) != (1, FIRST_TRY)
        if again:
            restart = Event(place.number, EventKind.RESTART, {})
            self._publisher.publish(EventRecord(self.task.id, self.position, self.position, (restart,)))
        self._publisher.text(self.task.id, self.position, place, kind, text)


def _detail(draft: Draft) -> bytes:
    what = f"the journal's entry {draft.name}"
    try:
        detail = orjson.dumps(draft.detail)
    except TypeError as error:
        raise NotKeepable(f"{what} can't be kept: {error}") from error
    check_keepable(what, draft.payload, detail)
    return detail


class TextStream:
    """The text of one model call, sent on as it comes. Callable: `stream(kind, piece)`."""

    __slots__ = ("_attempt", "_pieces", "live", "place")

    def __init__(self, attempt: Attempt, place: Place, live: bool) -> None:
        self._attempt = attempt
        self.place = place
        self.live = live
        self._pieces: list[tuple[EventKind, list[str]]] = []

    def __call__(self, kind: EventKind, text: str) -> None:
        if not text:
            return
        if self.live:
            self._attempt.publish_text(self.place, kind, text)
        self.place = self.place._replace(place=self.place.place + len(text))
        if not self._pieces or self._pieces[-1][0] is not kind:
            self._pieces.append((kind, []))
        self._pieces[-1][1].append(text)

    @property
    def pieces(self) -> list[list[str]]:
        """`[kind, text]` of each stretch of one kind, in order."""
        return [[kind.value, "".join(texts)] for kind, texts in self._pieces]
