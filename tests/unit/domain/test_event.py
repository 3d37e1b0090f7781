from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from roadworthy.domain.event import (
    END,
    FIRST_TRY,
    MAX_ATTEMPTS,
    MAX_ENTRIES,
    MAX_NUMBER,
    START,
    Event,
    EventKind,
    EventRecord,
    Place,
    Position,
    changed_number,
    entry_events,
    status_event,
    text_end_of,
)
from roadworthy.domain.ids import new_id
from roadworthy.domain.journal import EntryKind, JournalEntry
from roadworthy.domain.task import StatusChange, TaskStatus

PLACES = st.builds(
    Place, st.integers(0, MAX_ENTRIES), st.integers(0, MAX_ATTEMPTS), st.integers(START, END), st.integers(0, 2**22 - 1)
)
LARGEST = Place(MAX_ENTRIES, MAX_ATTEMPTS, END, 2**22 - 1)


@given(PLACES)
def test_a_number_can_be_taken_apart_again(place: Place):
    assert Place.of(place.number) == place
    assert 0 <= place.number <= MAX_NUMBER


@given(PLACES, PLACES)
def test_numbers_rise_exactly_as_their_places_do(one: Place, other: Place):
    assert (one.number < other.number) == (one < other)


def test_the_largest_number_is_exact_in_json():
    assert LARGEST.number == MAX_NUMBER == 2**53 - 1
    assert int(float(LARGEST.number)) == LARGEST.number


@st.composite
def lives(draw: st.DrawFn) -> list[int]:
    """The numbers of everything that happens to a task over some attempts, in the order of happening."""
    numbers, journal, changes = [changed_number(0, 0, 0, TaskStatus.QUEUED)], 0, 1
    for attempt in range(1, draw(st.integers(1, 4)) + 1):
        numbers.append(changed_number(journal, attempt, changes, TaskStatus.RUNNING))
        changes += 1
        for _ in range(draw(st.integers(0, 3))):
            tries = draw(st.integers(1, 3))
            for try_ in range(FIRST_TRY, FIRST_TRY + tries):
                ends = sorted(draw(st.sets(st.integers(1, 500), max_size=4)))
                numbers += [Place(journal, attempt, try_, end).number for end in ends]
            journal += 1
            numbers.append(Place(journal, 0, 0, 0).number)
        for status in draw(st.sampled_from([["queued"], ["waiting", "queued"], ["dead", "queued"]])):
            numbers.append(changed_number(journal, attempt, changes, TaskStatus(status)))
            changes += 1
    return numbers


@given(lives())
def test_whatever_happens_to_a_task_its_numbers_rise(numbers: list[int]):
    assert all(one < next_ for one, next_ in pairwise(numbers))


def test_a_claim_stands_before_the_text_of_its_attempt_and_every_other_change_after_it():
    text = Place(3, 2, 62, 2**22 - 1).number
    assert changed_number(3, 2, 5, TaskStatus.RUNNING) < text < changed_number(3, 2, 5, TaskStatus.SUCCEEDED)


def test_a_status_that_ends_a_life_is_done_and_brings_the_result():
    change = StatusChange(7, TaskStatus.PARTIAL, "out of steps", 0)
    assert status_event(change, {"output": "so far"}) == Event(
        7, EventKind.DONE, {"status": "partial", "reason": "out of steps", "output": "so far"}
    )
    assert status_event(StatusChange(8, TaskStatus.DEAD, None, 0)).kind is EventKind.DONE


def test_any_other_status_is_a_status_without_the_result():
    change = StatusChange(7, TaskStatus.WAITING, None, 0)
    assert status_event(change, {"output": "so far"}) == Event(7, EventKind.STATUS, {"status": "waiting"})


def entry(kind: EntryKind, **detail: object) -> JournalEntry:
    return JournalEntry(sequence=4, key="k", kind=kind, attempt=2, payload=b"", detail=detail, at=0)


def test_a_models_reply_gives_a_step_and_a_tool_call_each():
    calls = [{"call_id": "a", "tool": "find", "arguments": {}}, {"call_id": "b", "tool": "pay", "arguments": {}}]
    events = entry_events(entry(EntryKind.MODEL, step=2, model="m", usage={}, seconds=1, pieces=[], tool_calls=calls))
    first = Place(5, 0, 0, 0).number
    assert [(event.number, event.kind) for event in events] == [
        (first, EventKind.STEP),
        (first + 1, EventKind.TOOL_CALL),
        (first + 2, EventKind.TOOL_CALL),
    ]
    assert events[0].data == {"step": 2, "model": "m", "usage": {}, "seconds": 1}
    assert [event.data for event in events[1:]] == calls


def test_a_tools_result_is_shown_without_what_is_only_for_the_journal():
    (event,) = entry_events(entry(EntryKind.TOOL, step=2, call_id="a", tool="find", outcome="done", result=1))
    assert (event.kind, event.data) == (
        EventKind.TOOL_RESULT,
        {"call_id": "a", "tool": "find", "outcome": "done", "result": 1},
    )


def test_the_input_and_the_start_of_a_call_are_not_shown():
    assert entry_events(entry(EntryKind.INPUT)) == entry_events(entry(EntryKind.STARTED)) == ()


def test_a_texts_end_counts_all_of_its_pieces():
    pieces = [["thinking", "hm"], ["text", "Hello"]]
    assert text_end_of(entry(EntryKind.MODEL, pieces=pieces, text_at=[4, 2, 1])) == Place(4, 2, 1, 7).number


def test_without_text_or_without_a_stream_there_is_no_end_of_text():
    assert text_end_of(entry(EntryKind.TOOL)) is None
    assert text_end_of(entry(EntryKind.MODEL, pieces=[], text_at=[4, 2, 1])) is None
    assert text_end_of(entry(EntryKind.MODEL, pieces=[["text", "cached"]])) is None


def test_a_record_is_numbered_like_its_last_event():
    events = (Event(3, EventKind.STEP, {}), Event(4, EventKind.TOOL_CALL, {}))
    assert EventRecord(new_id(), Position(0, 1), Position(1, 1), events).number == 4
