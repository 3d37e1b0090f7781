import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.adapters.redis.encoding import decode, encode
from roadworthy.domain.event import MAX_NUMBER, Event, EventKind, EventRecord, Position
from roadworthy.domain.ids import new_id

TASK = new_id()

# Lone surrogates and integers above 64 bits are legal in JSON and come from models.
texts = st.text(st.characters(exclude_categories=()))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
positions = st.builds(Position, st.integers(0, 2**15), st.integers(0, 2**20))
events = st.builds(
    Event, st.integers(0, MAX_NUMBER), st.sampled_from(EventKind), st.dictionaries(texts, values, max_size=4)
)
records = st.builds(
    EventRecord,
    st.just(TASK),
    positions,
    positions,
    st.lists(events, min_size=1, max_size=4).map(tuple),
    st.none() | st.integers(0, MAX_NUMBER),
)


@given(records)
def test_a_record_comes_back_as_it_was(record: EventRecord) -> None:
    assert decode(TASK, encode(record)) == record


def test_text_costs_few_bytes_besides_itself() -> None:
    place = Position(3, 1)
    record = EventRecord(TASK, place, place, (Event(MAX_NUMBER, EventKind.TEXT, {"text": "x" * 20}),))
    assert len(encode(record)) <= 20 + 60


def test_what_a_newer_release_adds_at_the_end_is_passed_over() -> None:
    encoded = b'[0,0,0,1,null,[[7,"status",{"status":"queued"}]],"new"]'
    assert decode(TASK, encoded).events == (Event(7, EventKind.STATUS, {"status": "queued"}),)


@pytest.mark.parametrize(
    "encoded",
    [b"", b"{}", b"[1,2,3]", b"\xff", b" [", b"7", b'[0,0,0,0,null,[[1,"unknown",{}]]]', b"[0,0,0,0,null,7]"],
)
def test_anything_else_is_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(TASK, encoded)


def test_numbers_that_json_has_not_become_null() -> None:
    event = Event(1, EventKind.TOOL_RESULT, {"result": math.nan})
    record = EventRecord(TASK, Position(0, 0), Position(1, 0), (event,))
    assert decode(TASK, encode(record)).events[0].data == {"result": None}
