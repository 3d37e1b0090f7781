"""The checker finds what it is there to find: each kind of broken promise, written into good evidence by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from acceptance.http_api import Event
from acceptance.tool_desk import ToolCalled
from faults.checker import LAST_GASP_SECONDS, RULES, violations
from faults.evidence import Accepted, Change, Entry, Evidence, Followed, ModelCalled, StoredTask
from faults.recipes import ANSWER, Recipe

PAY = Recipe("Pay", (("charge",),))
POISON = Recipe("Crash", dead_with="lease_lost")
UNKNOWN = "the tool 'charge' must happen only once; it was started and did not come back"


def entry(sequence: int, key: str, attempt: int, at: float) -> Entry:
    return Entry(sequence, key, attempt, at, "charge of 1.0 is done" if key.startswith("t") else None)


def paid(id_: str = "a", session: str = "s", start: float = 0.0) -> StoredTask:
    """A task whose first worker was lost between the two model calls."""
    return StoredTask(
        id=id_,
        session_id=session,
        status="succeeded",
        reason=None,
        output=ANSWER,
        error_code=None,
        attempt=2,
        journal_length=5,
        model_calls=2,
        changes=[
            Change(0, 0, "queued", None, start),
            Change(0, 1, "running", None, start + 1),
            Change(4, 1, "queued", "its worker was lost", start + 5),
            Change(4, 2, "running", None, start + 6),
            Change(5, 2, "succeeded", None, start + 8),
        ],
        entries=[
            entry(0, "input", 1, start + 2),
            entry(1, "m1", 1, start + 2),
            entry(2, "s1:x", 1, start + 3),
            entry(3, "t1:x", 1, start + 4),
            entry(4, "m2", 2, start + 7),
        ],
    )


def events() -> list[Event]:
    return [
        Event(1, "status", {"status": "queued"}),
        Event(2, "step", {"step": 1}),
        Event(3, "tool_result", {"tool": "charge"}),
        Event(4, "text", {"text": ANSWER[:3]}),
        Event(5, "restart", {}),
        Event(6, "text", {"text": ANSWER}),
        Event(7, "step", {"step": 2}),
        Event(8, "done", {"status": "succeeded", "output": ANSWER}),
    ]


def good() -> Evidence:
    first, second = paid("a", start=0), paid("b", start=10)
    return Evidence(
        accepted=[Accepted(id_, "s", "openai", f"Pay {id_}.", PAY) for id_ in ("a", "b")],
        stored={"a": first, "b": second},
        turns={"s": ["a", "b"]},
        model_calls=[
            ModelCalled(f"Pay {id_}.", turn, start + at)
            for id_, start in (("a", 0), ("b", 10))
            for turn, at in ((0, 1.5), (1, 4.5), (1, 6.5))
        ],
        tool_calls=[ToolCalled("charge", id_, "1.0", 7, start + 3.5) for id_, start in (("a", 0), ("b", 10))],
        followed=[Followed("a", events(), [e for e in events() if e.kind != "restart" and e.id != 4])],
    )


def with_task(evidence: Evidence, **changes: Any) -> Evidence:
    return replace(evidence, stored={**evidence.stored, "a": replace(evidence.stored["a"], **changes)})


def with_entries(evidence: Evidence, change: Callable[[list[Entry]], object]) -> Evidence:
    entries = list(evidence.stored["a"].entries)
    change(entries)
    return with_task(evidence, entries=entries)


def with_seen(evidence: Evidence, change: Callable[[list[Event]], object]) -> Evidence:
    seen = events()
    change(seen)
    return replace(evidence, followed=[replace(evidence.followed[0], seen=seen)])


def called_again(evidence: Evidence, at: float, pid: int = 7, tool: str = "charge") -> Evidence:
    return replace(evidence, tool_calls=[*evidence.tool_calls, ToolCalled(tool, "a", "1.0", pid, at)])


def asked_again(evidence: Evidence, turn: int, at: float) -> Evidence:
    return replace(evidence, model_calls=[*evidence.model_calls, ModelCalled("Pay a.", turn, at)])


def as_poison(evidence: Evidence, **changes: Any) -> Evidence:
    first = replace(evidence.accepted[0], recipe=POISON)
    return with_task(replace(evidence, accepted=[first, *evidence.accepted[1:]]), **changes)


def given_up(evidence: Evidence) -> Evidence:
    """The second attempt found the call started and without a result."""
    task = evidence.stored["a"]
    changes = [
        *task.changes[:2],
        Change(3, 1, "queued", "its worker was lost", 5),
        Change(3, 2, "running", None, 6),
        Change(3, 2, "waiting", UNKNOWN, 6.5),
        Change(3, 2, "cancelled", "somebody wanted it to end", 7),
    ]
    told = [*events()[:1], Event(8, "done", {"status": "cancelled", "output": None})]
    return replace(
        with_task(
            evidence,
            status="cancelled",
            reason="somebody wanted it to end",
            output=None,
            journal_length=3,
            entries=task.entries[:3],
            changes=changes,
        ),
        followed=[Followed("a", told, told)],
    )


DOCTORED: dict[str, tuple[str, Callable[[Evidence], Evidence]]] = {
    "a task that vanished": ("nothing_accepted_is_lost", lambda e: replace(e, stored={"b": e.stored["b"]})),
    "a task that never ends": ("nothing_accepted_is_lost", lambda e: with_task(e, status="running")),
    "a request that became two tasks": (
        "nothing_is_stored_that_nobody_asked_for",
        lambda e: replace(e, stored={**e.stored, "c": paid("c", "other")}),
    ),
    "two requests that became one task": (
        "nothing_is_stored_that_nobody_asked_for",
        lambda e: replace(e, accepted=[*e.accepted, e.accepted[0]]),
    ),
    "an answer to something else": ("every_task_ends_as_it_must", lambda e: with_task(e, output="no")),
    "a death without need": (
        "every_task_ends_as_it_must",
        lambda e: with_task(e, status="dead", reason="why not", error_code="lease_lost"),
    ),
    "an end without a reason": ("every_task_ends_as_it_must", lambda e: with_task(e, status="expired")),
    "a cancel that nobody asked for": (
        "every_task_ends_as_it_must",
        lambda e: with_task(e, status="cancelled", reason="just so"),
    ),
    "a poison task that lives": ("every_task_ends_as_it_must", as_poison),
    "a poison task with another error": (
        "every_task_ends_as_it_must",
        lambda e: as_poison(e, status="dead", reason="raised", error_code="agent_failed"),
    ),
    "a hole in the journal": (
        "a_finished_task_has_each_step_once",
        lambda e: with_entries(e, lambda entries: entries.pop(3)),
    ),
    "a step that was committed twice": (
        "a_finished_task_has_each_step_once",
        lambda e: with_task(
            with_entries(e, lambda entries: entries.append(replace(entries[4], sequence=5))), journal_length=6
        ),
    ),
    "a model call that is billed twice": (
        "a_finished_task_has_each_step_once",
        lambda e: with_task(e, model_calls=3),
    ),
    "an entry of a fenced attempt": (
        "one_attempt_at_a_time_writes",
        lambda e: with_entries(e, lambda entries: entries.__setitem__(4, replace(entries[4], attempt=1))),
    ),
    "a claim that left no trace": (
        "one_attempt_at_a_time_writes",
        lambda e: with_task(e, changes=[c for c in e.stored["a"].changes if c.attempt != 2]),
    ),
    "a once call that was made twice": ("a_once_call_is_made_once", lambda e: called_again(e, 3.6)),
    "a once call that was made twice by a zombie": (
        "a_once_call_is_made_once",
        lambda e: replace(called_again(e, 9.1), woken=[(7, 9.0)]),
    ),
    "a tool call after its result": ("nothing_finished_is_done_again", lambda e: called_again(e, 4.1)),
    "a model call after its reply": ("nothing_finished_is_done_again", lambda e: asked_again(e, 0, 2.1)),
    "a zombie that goes on": (
        "nothing_finished_is_done_again",
        lambda e: replace(asked_again(e, 0, 9.1 + LAST_GASP_SECONDS), woken=[(7, 9.0)]),
    ),
    "more model calls than attempts": (
        "every_call_belongs_to_an_attempt",
        lambda e: asked_again(e, 1, 6.6),
    ),
    "two tasks of a session at once": (
        "one_task_of_a_session_at_a_time",
        lambda e: replace(e, stored={**e.stored, "b": paid("b", start=7.9)}),
    ),
    "a turn that is lost": ("turns_are_whole_and_in_order", lambda e: replace(e, turns={"s": ["b"]})),
    "a turn that is there twice": ("turns_are_whole_and_in_order", lambda e: replace(e, turns={"s": ["a", "b", "b"]})),
    "turns in another order": ("turns_are_whole_and_in_order", lambda e: replace(e, turns={"s": ["b", "a"]})),
    "a gap in a stream": ("clients_see_everything_once", lambda e: with_seen(e, lambda seen: seen.pop(2))),
    "a repeat in a stream": (
        "clients_see_everything_once",
        lambda e: with_seen(e, lambda seen: seen.insert(3, seen[2])),
    ),
    "a text without its restart": ("clients_see_everything_once", lambda e: with_seen(e, lambda seen: seen.pop(4))),
    "a text that lacks a piece": ("clients_see_everything_once", lambda e: with_seen(e, lambda seen: seen.pop(5))),
    "a stream without an end": ("clients_see_everything_once", lambda e: with_seen(e, lambda seen: seen.pop())),
    "a stream with another end": (
        "clients_see_everything_once",
        lambda e: with_seen(
            e, lambda seen: seen.__setitem__(-1, Event(8, "done", {"status": "succeeded", "output": "no"}))
        ),
    ),
}


def test_good_evidence_is_good() -> None:
    assert violations(good()) == []


@pytest.mark.parametrize("name", DOCTORED)
def test_it_finds(name: str) -> None:
    rule, doctor = DOCTORED[name]
    assert rule in {found.partition(":")[0] for found in violations(doctor(good()))}


def test_every_rule_is_tried() -> None:
    assert {rule.__name__ for rule in RULES} == {rule for rule, _ in DOCTORED.values()}


def test_a_person_may_give_up_what_nobody_can_know() -> None:
    evidence = given_up(good())
    evidence = replace(
        evidence, turns={"s": ["b"]}, model_calls=[call for call in evidence.model_calls if call.at != 6.5]
    )
    assert violations(evidence) == []


def test_a_poison_task_may_die_as_foretold() -> None:
    evidence = as_poison(good(), status="dead", reason="failed 2 times", error_code="lease_lost", output=None)
    told = [Event(8, "done", {"status": "dead", "output": None})]
    evidence = replace(evidence, followed=[Followed("a", told, told)], turns={"s": ["b"]})
    assert violations(evidence) == []


def test_a_process_that_wakes_up_may_finish_the_call_it_was_about_to_make() -> None:
    """Not one that must happen only once: see the rule about those."""
    evidence = called_again(good(), 9.1)
    evidence = replace(evidence, woken=[(7, 9.0)], tool_calls=[replace(c, tool="reserve") for c in evidence.tool_calls])
    entries = [replace(e, result="reserve of 1.0 is done" if e.result else None) for e in evidence.stored["a"].entries]
    assert violations(with_task(evidence, entries=entries)) == []
    assert violations(replace(with_task(evidence, entries=entries), woken=[(8, 9.0)]))
