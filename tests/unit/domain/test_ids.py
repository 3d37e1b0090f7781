import time
from uuid import RFC_4122, UUID

import pytest

from roadworthy.domain import ids
from roadworthy.domain.ids import new_id


def test_an_id_is_a_uuid_of_version_7():
    made = new_id()
    assert (made.version, made.variant) == (7, RFC_4122)


def test_ids_sort_by_the_millisecond_in_which_they_were_made(monkeypatch: pytest.MonkeyPatch):
    made: list[UUID] = []
    for millisecond in range(1_800_000_000_000, 1_800_000_000_000 + 50):
        monkeypatch.setattr(ids.time, "time_ns", lambda at=millisecond: at * 1_000_000)
        made.append(new_id())
    assert sorted(made) == made
    assert sorted(made, key=str) == made


def test_an_id_says_when_it_was_made():
    before = time.time_ns() // 1_000_000
    assert before <= new_id().int >> 80 <= time.time_ns() // 1_000_000


def test_no_two_ids_are_equal():
    assert len({new_id() for _ in range(10_000)}) == 10_000
