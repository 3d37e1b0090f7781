"""What a task says that can't come to its end."""

from __future__ import annotations

from typing import Any

import pytest

from roadworthy.core.execution.best_answer import LONGEST_RESULT, MOST_RESULTS, best_answer, found_by_tools
from roadworthy.domain.journal import EntryKind, JournalEntry


def entry(sequence: int, kind: EntryKind = EntryKind.TOOL, **detail: Any) -> JournalEntry:
    shown = {"tool": "find", "outcome": "done", "result": "here", **detail}
    return JournalEntry(sequence, f"t1:{sequence}", kind, 1, b"", shown, 0.0)


def shown(result: Any) -> str:
    answer = best_answer("", [("find", result)], None)
    return "" if answer is None else answer.text.removeprefix("So far:\n- find: ")


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("It is\n  on its way. ", "It is on its way."),
        ({"status": "packed", "eta": None, "items": ["lamp", 2]}, 'status: packed, items: ["lamp",2]'),
        ([{"id": 7, "name": "lamp"}, "and more"], "id: 7, name: lamp; and more"),
        (["a", ["b", "c"]], "a; b; c"),
        (0, "0"),
        (False, "false"),
        (12.5, "12.5"),
        ({"data": "iVBORw0KGgo" * 100, "media_type": "image/png", "kind": "binary"}, "(image/png)"),
        ("x" * 1000, "x" * (LONGEST_RESULT - 1) + "…"),
    ],
)
def test_results_are_readable_and_short(result: Any, text: str):
    assert shown(result) == text


@pytest.mark.parametrize("nothing", [None, "", "  \n", [], {}, [None, ""], {"a": None}])
def test_what_says_nothing_is_no_answer(nothing: Any):
    assert best_answer(" \n", [("find", nothing)], None) is None


def test_each_result_has_its_tools_name_and_the_last_ones_are_kept():
    found = [(f"tool{number}", number) for number in range(1, MOST_RESULTS + 4)]
    answer = best_answer("", found, "Sorry.")
    assert answer is not None
    assert answer.text.splitlines() == ["So far:", *(f"- tool{n}: {n}" for n in range(4, MOST_RESULTS + 4))]


def test_only_what_was_done_counts_and_what_an_agent_within_a_tool_did_was_for_that_tool():
    entries = [
        entry(0, EntryKind.STARTED, tool="pay"),
        entry(1),
        entry(2, outcome="failed", result="no such order"),
        entry(3, within="t1:call/a1"),
        entry(4, within="a1", tool="search"),
        entry(5, EntryKind.MODEL),
    ]
    assert found_by_tools(entries) == [("find", "here"), ("search", "here")]
