"""What one client of a task's events has seen, and what it is shown next. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from roadworthy.core.insight.change_record import result_of
from roadworthy.domain.errors import IllegalCursor
from roadworthy.domain.event import (
    END,
    FIRST_TRY,
    LAST_TRY,
    MAX_NUMBER,
    START,
    Event,
    EventKind,
    EventRecord,
    Place,
    Position,
    rebuilt_events,
    text_end_of,
)
from roadworthy.domain.journal import JournalEntry
from roadworthy.domain.task import LIFE_ENDS, Task

_TEXT = frozenset({EventKind.TEXT, EventKind.THINKING})


class Missing(Enum):
    """What the reader lacks before it can go on."""

    NOTHING = auto()
    TEXT = auto()
    """Text before this piece: the live log may still have it."""
    STORE = auto()
    """Something committed: the store has it."""


class EventReader:
    """Turns what comes from store and live log, in any order and with losses, into one client's stream.

    Each durable event above the cursor is shown once, in rising order; text is complete, or `restart` comes
    before it is given anew. IllegalCursor for an `after` that can be no event number.
    """

    def __init__(self, after: int = 0) -> None:
        if not 0 <= after <= MAX_NUMBER:
            raise IllegalCursor
        place = Place.of(after)
        self.cursor = after
        self.position = Position(0, 0)
        self.ended = False
        """A life of the task is over and everything of it was shown."""
        # The entry that the cursor points into may have been shown only in part.
        self.next_sequence = max(place.journal - 1, 0)
        """The first journal entry that is needed from the store."""
        self._text_in = place[:3] if _may_have_text(place) else None
        """Journal, attempt and try of text that the client may be showing and that belongs to no step yet."""
        self._given_up: tuple[int, int, int] | None = None

    def check_cursor(self, task: Task) -> None:
        """IllegalCursor if the task never came as far as the cursor says."""
        at = Place.of(self.cursor)
        if at.journal > task.journal_length or at.attempt > task.attempt:
            raise IllegalCursor

    def from_store(self, task: Task, entries: Sequence[JournalEntry]) -> list[Event]:
        """What the store knows above the cursor; `entries` are those from `next_sequence` on, read after `task`."""
        # Entries newer than the task would carry the cursor over changes of status that it doesn't have yet.
        known = [entry for entry in entries if entry.sequence < task.journal_length]
        text_ends = {entry.sequence + 1: text_end_of(entry) for entry in known}
        shown: list[Event] = []
        for event in rebuilt_events(task.changes, known, self.cursor, result_of(task)):
            if event.kind is EventKind.STEP:
                self._withdraw_text(shown, unless=text_ends[Place.of(event.number).journal])
            self._show(event, shown)
        self._move_to(Position(task.journal_length, len(task.changes)))
        self.ended = task.status in LIFE_ENDS
        return shown

    def from_log(self, record: EventRecord, *, last_resort: bool = False) -> tuple[list[Event], Missing]:
        """What a live record adds, and what must be fetched before the same record is given again.

        With `last_resort` missing text is left to the journal instead of being asked for.
        """
        shown: list[Event] = []
        if record.number <= self.cursor:
            return shown, Missing.NOTHING
        if record.before.journal > self.position.journal or record.before.changes > self.position.changes:
            return shown, Missing.STORE
        for event in record.events:
            if event.number <= self.cursor:
                continue
            if event.kind in _TEXT:
                if not self._show_piece(event, shown, last_resort):
                    return shown, Missing.TEXT
                continue
            if event.kind is EventKind.STEP:
                if record.text_end is not None and record.text_end > self.cursor:
                    return shown, Missing.STORE
                self._withdraw_text(shown, unless=record.text_end)
            self._show(event, shown)
        self._move_to(record.after)
        return shown, Missing.NOTHING

    def _show_piece(self, event: Event, shown: list[Event], last_resort: bool) -> bool:
        """False if text before the piece is missing and may be had."""
        place, at = Place.of(event.number), Place.of(self.cursor)
        text: str = event.data["text"]
        begins = place.place - len(text)
        seen = at.place if place[:3] == at[:3] else 0
        if begins > seen:
            if last_resort:
                self._given_up = place[:3]
            return self._given_up == place[:3]
        if begins < seen:
            event = Event(event.number, event.kind, {**event.data, "text": text[seen - begins :]})
        self._show(event, shown)
        return True

    def _withdraw_text(self, shown: list[Event], unless: int | None = None) -> None:
        """What the client shows is left over from a try that broke, unless it ends at the number `unless`."""
        if self._text_in is None or (unless is not None and Place.of(unless)[:3] == self._text_in):
            return
        self._show(Event(self.cursor + 1, EventKind.RESTART, {}), shown)

    def _show(self, event: Event, shown: list[Event]) -> None:
        place = Place.of(event.number)
        if event.kind in _TEXT:
            if self._text_in not in (None, place[:3]):
                self._show(Event(place._replace(place=0).number, EventKind.RESTART, {}), shown)
            self._text_in = place[:3]
        elif event.kind is EventKind.TOOL_RESULT:
            # Text from before this number can't be completed any more: numbers only rise.
            self._withdraw_text(shown)
        self.cursor = event.number
        if event.kind is EventKind.RESTART:
            if self._text_in is None:
                return
            self._text_in = None
        elif event.kind is EventKind.STEP:
            self._text_in = None
        elif event.kind is EventKind.DONE:
            self.ended = True
        shown.append(event)

    def _move_to(self, position: Position) -> None:
        journal = max(position.journal, self.position.journal)
        self.position = Position(journal, max(position.changes, self.position.changes))
        self.next_sequence = journal


def _may_have_text(place: Place) -> bool:
    """Whether a client at this cursor may be showing text of a model call that isn't committed."""
    if FIRST_TRY <= place.try_ <= LAST_TRY:
        return place.place > 0
    return (place.try_ == START and place.attempt > 1) or (place.try_ == END and place.attempt > 0)
