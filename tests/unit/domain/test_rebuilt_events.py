from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.domain.event import Event, EventKind, Place, changed_number, rebuilt_events
from roadworthy.domain.journal import EntryKind, JournalEntry
from roadworthy.domain.task import StatusChange, TaskStatus

PIECES = [["thinking", "Let me see. "], ["text", "Hello, "], ["text", "Alice."]]
WHOLE = "Let me see. Hello, Alice."


def entry(sequence: int, attempt: int, kind: EntryKind = EntryKind.MODEL, **detail: Any) -> JournalEntry:
    return JournalEntry(sequence, f"k{sequence}", kind, attempt, b"", detail, at=0)


def reply(sequence: int, attempt: int, try_: int, pieces: Sequence[Sequence[str]] = PIECES) -> JournalEntry:
    return entry(sequence, attempt, step=1, model="m", pieces=pieces, text_at=[sequence, attempt, try_])


def change(journal: int, attempt: int, count: int, status: TaskStatus) -> StatusChange:
    return StatusChange(changed_number(journal, attempt, count, status), status, None, 0)


JOURNAL = [entry(0, 1, EntryKind.INPUT), reply(1, 1, 1)]
CHANGES = [
    change(0, 0, 0, TaskStatus.QUEUED),
    change(0, 1, 1, TaskStatus.RUNNING),
    change(2, 1, 2, TaskStatus.SUCCEEDED),
]
RETRIED = [entry(0, 1, EntryKind.INPUT), reply(1, 2, 1)]
"""The first attempt streamed something and died; the second one answered."""


def text_of(events: Sequence[Event]) -> str:
    return "".join(event.data["text"] for event in events if event.kind in (EventKind.TEXT, EventKind.THINKING))


def kinds(events: Sequence[Event]) -> list[str]:
    return [event.kind.value for event in events]


def test_from_the_start_everything_comes_in_order():
    events = rebuilt_events(CHANGES, JOURNAL, after=0, result={"output": "x"})
    assert kinds(events) == ["status", "status", "thinking", "text", "text", "step", "done"]
    assert text_of(events) == WHOLE
    assert events[-1].data == {"status": "succeeded", "output": "x"}


@given(st.integers(0, len(WHOLE)))
def test_a_client_in_the_middle_of_the_text_gets_the_rest_of_it(seen: int):
    events = rebuilt_events(CHANGES, JOURNAL, after=Place(1, 1, 1, seen).number)
    assert WHOLE[:seen] + text_of(events) == WHOLE
    assert "restart" not in kinds(events)
    assert kinds(events)[-2:] == ["step", "done"]


@pytest.mark.parametrize("cursor", [Place(1, 1, 1, 5), Place(1, 1, 2, 3), Place(1, 2, 0, 0)])
def test_a_client_that_saw_the_text_of_another_try_gets_restart_and_all_of_it(cursor: Place):
    events = rebuilt_events(CHANGES, RETRIED, after=cursor.number)
    assert kinds(events)[0] == "restart"
    assert text_of(events) == WHOLE


@given(st.integers(1, len(WHOLE)))
def test_a_client_that_follows_the_second_attempt_gets_the_rest_without_restart(seen: int):
    events = rebuilt_events(CHANGES, RETRIED, after=Place(1, 2, 1, seen).number)
    assert WHOLE[:seen] + text_of(events) == WHOLE
    assert "restart" not in kinds(events)


def test_a_client_that_saw_nothing_of_the_step_needs_no_restart():
    events = rebuilt_events(CHANGES, RETRIED, after=Place(1, 0, 0, 0).number - 1)
    assert text_of(events) == WHOLE


def test_a_client_behind_the_reply_gets_none_of_its_text():
    events = rebuilt_events(CHANGES, JOURNAL, after=Place(2, 0, 0, 0).number)
    assert kinds(events) == ["done"]


def test_a_client_that_has_all_gets_nothing():
    assert rebuilt_events(CHANGES, JOURNAL, after=CHANGES[-1].number) == []


def test_only_the_last_end_of_a_task_brings_the_result():
    resumed = [*CHANGES[:2], change(2, 1, 2, TaskStatus.DEAD), change(2, 1, 3, TaskStatus.QUEUED)]
    resumed += [change(2, 2, 4, TaskStatus.RUNNING), change(2, 2, 5, TaskStatus.SUCCEEDED)]
    events = rebuilt_events(resumed, JOURNAL, after=0, result={"output": "x"})
    assert [event.data for event in events if event.kind is EventKind.DONE] == [
        {"status": "dead"},
        {"status": "succeeded", "output": "x"},
    ]


@given(st.data())
def test_at_every_cursor_the_rest_follows_without_gap_or_repeat(data: st.DataObject):
    entries = [entry(0, 1, EntryKind.INPUT)]
    for sequence in range(1, data.draw(st.integers(1, 5)) + 1):
        pieces = data.draw(st.lists(st.tuples(st.sampled_from(["text", "thinking"]), st.text(min_size=1)), max_size=3))
        entries.append(reply(sequence, 1, 1, pieces))
    changes = [*CHANGES[:2], change(len(entries), 1, 2, TaskStatus.SUCCEEDED)]
    everything = rebuilt_events(changes, entries, after=0)
    numbers = [event.number for event in everything]
    assert numbers == sorted(set(numbers))
    at = data.draw(st.integers(0, len(numbers) - 1))
    assert rebuilt_events(changes, entries, after=numbers[at]) == everything[at + 1 :]


@given(st.data())
def test_no_piece_of_text_has_the_number_of_another(data: st.DataObject):
    after = Place(1, data.draw(st.integers(1, 3)), data.draw(st.integers(0, 3)), data.draw(st.integers(0, 30))).number
    numbers = [event.number for event in rebuilt_events(CHANGES, RETRIED, after)]
    assert numbers == sorted(set(numbers))
    assert all(number > after for number in numbers)
