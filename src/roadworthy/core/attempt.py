"""One attempt of a task: what it may still do, what it has done, and how that is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import orjson

from roadworthy.core.execution.abandoned import Abandoned
from roadworthy.core.execution.progress import OpenCall, Progress
from roadworthy.core.journal_check import JournalCheck
from roadworthy.core.model_gateway.replies_on_trial import RepliesOnTrial
from roadworthy.core.model_gateway.routes import Routed
from roadworthy.core.money.purse import Purse
from roadworthy.core.publisher import EventPublisher
from roadworthy.core.redactor import RedactedText, Redactor
from roadworthy.core.scope import Scope, surroundings
from roadworthy.core.tool_gateway.calls_at_once import CallsAtOnce
from roadworthy.domain.budget import ChargeSettlement
from roadworthy.domain.decision import Decision
from roadworthy.domain.errors import (
    DecisionNeeded,
    EffectUnknown,
    Fenced,
    InternalError,
    JournalMismatch,
    LimitReached,
    NotKeepable,
    RoadworthyError,
    StoreUnavailable,
    TaskInterruption,
    TooSoonToKnow,
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
    text_of,
    usage_of,
)
from roadworthy.domain.keepable import check_keepable, foreign_words
from roadworthy.domain.lease import Lease
from roadworthy.domain.route import Tier
from roadworthy.domain.service import AgentService
from roadworthy.domain.task import Claimed, Usage

_NO_SECRETS = Redactor()
Append = Callable[[EntryWrite], Awaitable[Appended | Refused | NotStorable]]
_LEASE_CHECK_SECONDS = 0.02
HAVE_TO_WAIT = JournalMismatch | TooSoonToKnow | EffectUnknown | DecisionNeeded
"""What has a task wait, whatever the agent's code makes of it."""
_MOST_URGENT_FIRST = (JournalMismatch, TooSoonToKnow, EffectUnknown, DecisionNeeded)
"""Of several calls that wait: what can be found out without a person is, before one is waited for."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before it is written."""

    name: str
    """Its key without the generation."""
    kind: EntryKind
    payload: bytes
    detail: dict[str, Any]
    charge: ChargeSettlement | None = None
    """Of the provider's call that it tells of."""


class ToolsUnderWay:
    """Of one attempt. What runs now is known by name, for the watchdog of the loop."""

    def __init__(self) -> None:
        self.once_under_way = 0
        self.running: dict[asyncio.Task[Any], str] = {}
        self.when_no_once_runs: Callable[[], object] = lambda: None


class Attempt:
    """Everything that the gates of one attempt share."""

    def __init__(
        self,
        claimed: Claimed,
        service: AgentService,
        lease: Lease,
        append: Append,
        publisher: EventPublisher,
        abandoned: Abandoned,
    ) -> None:
        task = claimed.task
        self.claimed = claimed
        self.task = task
        self.service = service
        self.limits = task.limits
        self.lease = lease
        self._began = time.monotonic()
        self._interruption: RoadworthyError | None = None
        self._waits: set[asyncio.Future[None]] = set()
        self.routed = Routed()
        """Known once it is loaded."""
        self.progress = Progress(
            task.limits.step_seconds, lambda thread, name: abandoned.leave_thread(thread, name, task.id)
        )
        self.abandoned = abandoned
        self.redactor = _NO_SECRETS
        """Of what people and event streams are told."""
        self.is_loaded = task.journal_length == 0
        self.waits_for: TaskInterruption | None = None
        """What the task has to wait for, once its calls have come to their ends."""
        self.begins_nothing = False
        """No tool call any more: what it has to wait for was cancelled, so that its agent may not have heard of it."""
        self._told_to_wait: set[str] = set()
        self.raised: RoadworthyError | None = None
        """What a tool call ended with last."""
        self.over = False
        """What the agent still does from then on, left behind as it may be, comes to nothing."""
        self.journal_check = JournalCheck(task, service.version)
        self.decisions: Mapping[str, Decision] = {}
        """What people had decided when it began, by the key of the call's result. Of a call that was allowed and never
        came back: what came of it, once that is decided."""
        self.tools = ToolsUnderWay()
        self.calls_at_once = CallsAtOnce(task.limits.parallel_tools)
        self.scope = Scope()
        """Of the task's own agent."""
        self.model_calls = 0
        """Begun or replayed, also by agents that it runs in turn."""
        self.purse = Purse(task.limits.cost)
        self.usage = Usage()
        """Of this generation: what the limits are compared with."""
        self._spent_before = Usage()
        self.has_written = False
        """A tool, be it one of a provider, did more than read in this generation, or is about to."""
        self.on_trial = RepliesOnTrial()
        self.recorded = 0
        self.max_retries = 0
        """Failures without progress that the task may have before it is given up."""
        self.partial_text = ""
        """The best so far: of the last model call that said anything, finished or not."""
        self.position = Position(task.journal_length, len(task.changes))
        self._append = append
        self._publisher = publisher
        self._entries: dict[str, JournalEntry] = {}
        self._unwritten: list[Draft] = []
        self._begins: asyncio.Event | None = None
        self._without_events: set[int] = set()
        """Sequences of entries that readers are not told of."""
        self._tries = (-1, 0)
        self._text: TextStream | None = None

    @property
    def tier(self) -> Tier | None:
        """Whose models answer it; None where its service has none to choose among."""
        return self.routed.tier

    @property
    def is_last_try(self) -> bool:
        """Whether the task would be given up if the attempt failed now."""
        return not self.recorded and self.task.failures >= self.max_retries

    # What it may do

    @property
    def interruption(self) -> RoadworthyError | None:
        """What ends it, now or at its next journal boundary."""
        return self._interruption

    @interruption.setter
    def interruption(self, error: RoadworthyError) -> None:
        self._interruption = error
        for wait in self._waits:
            if not wait.done():
                wait.set_exception(error)

    @contextmanager
    def ending(self, wait: asyncio.Future[None]) -> Generator[None]:
        """Around a wait that an interruption ends with its error."""
        self._waits.add(wait)
        try:
            yield
        finally:
            self._waits.discard(wait)

    async def permit(self) -> None:
        """Wait for the right to act: raises what interrupts the attempt, or waits out a lease in doubt."""
        await self.await_lease()
        if self.interruption is not None:
            raise self.interruption

    async def await_lease(self) -> None:
        """Wait while the lease is in doubt; what interrupts the attempt is raised only there."""
        if self.over:
            raise self.interruption or Fenced()
        if self.lease.remaining > 0:
            return
        with self.progress:
            while self.lease.remaining <= 0:
                if self.interruption is not None:
                    raise self.interruption
                await asyncio.sleep(_LEASE_CHECK_SECONDS)

    def has_to_wait(self, error: RoadworthyError) -> None:
        """Remember what the task has to wait for, if it is that: of several calls the most urgent."""
        if isinstance(error, HAVE_TO_WAIT) and (self.waits_for is None or _urgency(error) < _urgency(self.waits_for)):
            self.waits_for = error

    def check_wait(self) -> None:
        """Raise what the task has to wait for, for an agent that goes on as if it had not been told."""
        if self.waits_for is not None:
            self.told_to_wait()
            raise self.waits_for

    def told_to_wait(self) -> None:
        """The present code is; if that is a tool's, no result of its call counts."""
        if (here := surroundings.get()) is not None:
            self._told_to_wait.add(here.call)

    def waits_within(self, call: str) -> bool:
        """Whether that tool's code was told to wait, or that of an agent that it runs, whatever they made of it."""
        return any(told == call or told.startswith(f"{call}/") for told in self._told_to_wait)

    @property
    def store_time(self) -> float:
        """Seconds since 1970 by the store's clock, and never more."""
        return self.task.changes[-1].at + time.monotonic() - self._began

    def check_limits(self) -> None:
        """LimitReached when the next model call would be one too many, or the money is gone."""
        if self.model_calls > self.limits.steps:
            raise LimitReached(
                f"the task used up its {self.limits.steps} steps; raise limits.steps if its work takes more"
            )
        if self.purse.spent >= self.purse.limit:
            raise LimitReached(
                f"the task used up its ${self.limits.cost_usd}; raise limits.cost_usd if its work costs more"
            )

    @property
    def steps_left(self) -> int:
        return max(self.limits.steps - self.model_calls, 0)

    @property
    def seconds_left(self) -> float:
        """Of running time, over all attempts."""
        return max(self.limits.total_seconds - self.task.running_seconds - (time.monotonic() - self._began), 0)

    def call(
        self, name: str, seconds: float, *, tool: str | None = None, once: bool = False, known_in: float | None = None
    ) -> OpenCall:
        """A model or tool call, under way while it is entered."""
        return self.progress.call(name, seconds, tool=tool, once=once, known_in=known_in)

    # What it did before

    def replay(self, entries: Sequence[JournalEntry]) -> None:
        """Answer from these entries what was done before in this generation; the others have only cost money."""
        present = [entry for entry in entries if entry.generation == self.task.generation]
        self._entries = {entry.name: entry for entry in present}
        self._spent_before = usage_of(entry for entry in entries if entry.generation < self.task.generation)
        for entry in present:
            self._count(entry.kind, entry.detail)
        self.is_loaded = True
        if entries:
            self.position = Position(entries[-1].sequence + 1, self.position.changes)

    def replayed(self, name: str) -> JournalEntry | None:
        entry = self._entries.get(name)
        if entry is not None:
            self.journal_check.came_to(entry)
        return entry

    def holds(self, name: str) -> bool:
        """Whether the journal has this entry, or is about to."""
        return name in self._entries or any(draft.name == name for draft in self._unwritten)

    def entries(self) -> list[JournalEntry]:
        """Everything that is in the journal of this generation, in order."""
        return sorted(self._entries.values(), key=lambda entry: entry.sequence)

    def _count(self, kind: EntryKind, detail: dict[str, Any]) -> None:
        self.usage = counted(self.usage, kind, detail)
        self.purse.journaled = self.usage.cost
        if kind in (EntryKind.STARTED, EntryKind.TOOL) and detail.get("effect") != "read":
            self.has_written = True
        if kind is EntryKind.MODEL and "acted" in detail:
            self.has_written = True
        if not detail.get("within", "").startswith("t"):
            # What the agents of its tools say is no answer to the user.
            self.partial_text = text_of(detail) or self.partial_text

    @property
    def whole_usage(self) -> Usage:
        """Of all generations: what the task costs."""
        outside = Usage(cost=self.purse.spent_before + self.purse.outside_journal)
        return self._spent_before + self.usage + outside

    # What it does now

    def later(self, draft: Draft) -> None:
        """Write this entry together with the next one that is recorded."""
        self._unwritten.append(draft)

    async def record(self, draft: Draft) -> None:
        """Commit the entry and publish its events; returns when it is durable.

        Raises Fenced when a newer attempt owns the task, or what interrupts the attempt while the store is away for
        longer than the lease lasts.
        """
        if self._begins is not None:
            # Of calls that are the first at the same time, none may come before what the task started from.
            with self.progress:
                await self._begins.wait()
        if self.position.journal + len(self._unwritten) >= MAX_ENTRIES:
            raise LimitReached(f"the task has {MAX_ENTRIES} journal entries, more than one task may have")
        drafts, self._unwritten = [*self._unwritten, draft], []
        fence = self.claimed.fence
        # Before it is committed: whatever becomes of the entry, the call was made and is paid for.
        self._count(draft.kind, draft.detail)
        if draft.charge is not None:
            self.purse.writes(draft.charge.charge_id)
        usage = self.whole_usage
        told = [self._told(draft) for draft in drafts]
        writes = [EntryWrite(fence, self._key(d), d.kind, d.payload, detail, usage, d.charge) for d, detail in told]
        with self.progress, self._beginning(drafts[0]):
            if len(writes) == 1:
                sequences = [await self._commit(writes[0])]  # mostly; gathering costs more than the write does
            else:
                sequences = await asyncio.gather(*(self._commit(write) for write in writes))
        if draft.charge is not None:
            self.purse.has_written(draft.charge.charge_id)
        self.recorded += len(drafts)
        self._publish([draft for draft, _ in told], sequences)

    def _told(self, draft: Draft) -> tuple[Draft, bytes]:
        """As readers are told of it, now or later, and its detail."""
        detail = _detail(draft)
        told = self.redactor.json(detail)
        return (draft if told is detail else replace(draft, detail=orjson.loads(told))), told

    @contextmanager
    def _beginning(self, first: Draft) -> Generator[None]:
        """While the first entry of all is written."""
        if first.kind is not EntryKind.INPUT:
            yield
            return
        self._begins = begins = asyncio.Event()
        try:
            yield
        except BaseException:
            # Perhaps it is written, perhaps not: said again it is the same entry.
            self._unwritten.insert(0, first)
            raise
        finally:
            self._begins = None
            begins.set()

    def _key(self, draft: Draft) -> str:
        return key_in(self.task.generation, draft.name)

    async def _commit(self, write: EntryWrite) -> int:
        pause = 0.05
        while True:
            if self.over:
                raise self.interruption or Fenced()
            try:
                outcome = await self._append(write)
            except StoreUnavailable:
                if self.interruption is not None and self.lease.remaining <= 0:
                    raise self.interruption from None
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1)
                continue
            except RoadworthyError:
                raise
            except Exception as error:
                # Or it would look like an error of the agent, through whose code it goes.
                raise InternalError(
                    f"Roadworthy could not keep {write.key} ({type(error).__name__}: {foreign_words(error)})"
                ) from error
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
            shown = entry_events(entry)
            events.extend(shown)
            if not shown:
                self._without_events.add(sequence)
            text_end = text_end_of(entry) or text_end
        changes, place = self.position.changes, sequences[-1]
        self.position = Position(max(self.position.journal, *(s + 1 for s in sequences)), changes)
        if events:
            before, after = Position(self._shown_before(place), changes), Position(place + 1, changes)
            self._publisher.publish(EventRecord(self.task.id, before, after, tuple(events), text_end))

    def _shown_before(self, sequence: int) -> int:
        """How long the journal was before this entry, as far as readers are concerned. Entries of calls at the same
        time may be published in another order than they were committed, after a lost acknowledgement."""
        while sequence - 1 in self._without_events:
            sequence -= 1
        return sequence

    def open_text(self, *, shown: bool = True) -> TextStream:
        """A stream for the text of one model call; of several at the same time only the first is live, and none that
        isn't `shown`."""
        journal = self.position.journal
        tries = self._tries[1] + 1 if self._tries[0] == journal else FIRST_TRY
        live = shown and self._text is None and tries <= LAST_TRY
        if live:
            self._tries = (journal, tries)
        stream = TextStream(self, Place(journal, self.task.attempt, min(tries, LAST_TRY), 0), live)
        if live:
            self._text = stream
        return stream

    def close_text(self, stream: TextStream) -> None:
        if self._text is stream:
            self._text = None
            self.partial_text = text_of({"pieces": stream.pieces}) or self.partial_text

    def publish_text(self, place: Place, kind: EventKind, text: str) -> None:
        again = place.place == 0 and (place.attempt, place.try_) != (1, FIRST_TRY)
        if again:
            restart = Event(place.number, EventKind.RESTART, {})
            self._publisher.publish(EventRecord(self.task.id, self.position, self.position, (restart,)))
        self._publisher.text(self.task.id, self.position, place, kind, text)


def _urgency(error: RoadworthyError) -> int:
    return next(place for place, kind in enumerate(_MOST_URGENT_FIRST) if isinstance(error, kind))


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

    __slots__ = ("_attempt", "_pieces", "_redacted", "live", "place")

    def __init__(self, attempt: Attempt, place: Place, live: bool) -> None:
        self._attempt = attempt
        self.place = place
        self.live = live
        self._pieces: list[tuple[EventKind, list[str]]] = []
        self._redacted: dict[EventKind, RedactedText] = {}

    def __call__(self, kind: EventKind, text: str) -> None:
        if self._attempt.redactor.knows_any:
            # What one kind holds back outlives a stretch of another one: a secret may be on both sides of it.
            if kind not in self._redacted:
                self._redacted[kind] = RedactedText(self._attempt.redactor)
            text = self._redacted[kind].add(text)
        self._show(kind, text)

    def _show(self, kind: EventKind, text: str) -> None:
        if not text or self._attempt.over:
            return
        if self.live:
            self._attempt.publish_text(self.place, kind, text)
        self.place = self.place._replace(place=self.place.place + len(text))
        if not self._pieces or self._pieces[-1][0] is not kind:
            self._pieces.append((kind, []))
        self._pieces[-1][1].append(text)

    @property
    def pieces(self) -> list[list[str]]:
        """`[kind, text]` of each stretch of one kind, in order. Nothing follows them."""
        for kind, redacted in self._redacted.items():
            self._show(kind, redacted.rest())
        return [[kind.value, "".join(texts)] for kind, texts in self._pieces]
