"""What a task's tools have done, where it stopped, and what had been said before it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from roadworthy.core.insight.dead_letters import dead_letter
from roadworthy.core.insight.effects import effects_of
from roadworthy.core.insight.failed_step import FailedStep, failed_step
from roadworthy.core.insight.steps import steps_of
from roadworthy.domain.ids import new_id
from roadworthy.domain.journal import EntryKind, JournalEntry, key_in
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import Principal
from roadworthy.domain.session import Message
from roadworthy.domain.task import StatusChange, Task, TaskStatus, Usage

KINDS = {"i": EntryKind.INPUT, "m": EntryKind.MODEL, "s": EntryKind.STARTED, "t": EntryKind.TOOL}
DECLARED = {"look": "read", "note": "idempotent", "pay": "once"}


class Journal:
    """Entries as the gates write them."""

    def __init__(self, generation: int = 0) -> None:
        self.entries: list[JournalEntry] = []
        self.generation = generation
        self.step = 0

    def add(self, name: str, **detail: Any) -> Journal:
        key = key_in(self.generation, name)
        number = len(self.entries)
        self.entries.append(JournalEntry(number, key, KINDS[name[0]], 1, b"", detail, at=100.0 + number))
        return self

    def model(self, **calls: str) -> Journal:
        """A reply that asks for these calls: id → tool."""
        self.step += 1
        asked = [{"call_id": call_id, "tool": tool, "arguments": {"n": 1}} for call_id, tool in calls.items()]
        return self.add(f"m{self.step}", step=self.step, tool_calls=asked, pieces=[], usage={}, cost=10)

    def started(self, call_id: str, tool: str) -> Journal:
        return self.add(f"s{self.step}:{call_id}", step=self.step, call_id=call_id, tool=tool, effect=DECLARED[tool])

    def result(self, call_id: str, tool: str, outcome: str = "done", **more: Any) -> Journal:
        shown = {"step": self.step, "call_id": call_id, "tool": tool, "effect": DECLARED[tool], "outcome": outcome}
        return self.add(f"t{self.step}:{call_id}", **shown, result=7, **more)

    def again(self) -> Journal:
        """From the start, in the next generation."""
        self.generation += 1
        self.step = 0
        return self


def effects(journal: Journal, declared: dict[str, str] = DECLARED) -> list[tuple[int, str | None, str | None, str]]:
    found = effects_of(steps_of(journal.entries), declared.get)
    return [(effect.generation, effect.tool, effect.effect, effect.outcome) for effect in found]


def test_what_only_reads_has_done_nothing():
    assert effects(Journal().model(a="look", b="look").result("a", "look")) == []


def test_what_came_back_has_happened_also_where_it_failed():
    journal = Journal().model(a="pay", b="note").started("a", "pay").result("b", "note", "failed").result("a", "pay")
    assert effects(journal) == [(0, "pay", "once", "done"), (0, "note", "idempotent", "failed")]


@pytest.mark.parametrize("outcome", ["not_done", "denied"])
def test_what_was_declared_not_done_or_not_allowed_has_not_happened(outcome: str):
    assert effects(Journal().model(a="pay").started("a", "pay").result("a", "pay", outcome)) == []


def test_what_the_model_asked_for_once_more_and_met_is_listed_once():
    journal = Journal().model(a="pay").started("a", "pay").result("a", "pay")
    assert len(effects(journal.model(b="pay").result("b", "pay", same_as="t1:a"))) == 1


def test_what_was_begun_and_did_not_come_back_is_unknown():
    assert effects(Journal().model(a="pay").started("a", "pay")) == [(0, "pay", "once", "unknown")]


def test_a_once_call_without_any_entry_was_never_begun_and_an_idempotent_one_may_have_been():
    journal = Journal().model(a="pay", b="note", c="look")
    assert effects(journal) == [(0, "note", "idempotent", "unknown")]
    assert effects(journal, {}) == [(0, tool, None, "unknown") for tool in ("pay", "note", "look")]


def test_a_plain_function_answers_a_models_calls_under_its_own_ids():
    journal = Journal().model(a="note", b="note").result("note#1", "note", arguments={"n": 1})
    assert effects(journal) == [(0, "note", "idempotent", "unknown"), (0, "note", "idempotent", "done")]
    journal.result("note#2", "note")
    assert [outcome for *_, outcome in effects(journal)] == ["done", "done"]


def test_effects_of_every_generation_have_happened():
    journal = Journal().model(a="pay").started("a", "pay").result("a", "pay").again().model(a="note")
    assert effects(journal.result("a", "note")) == [(0, "pay", "once", "done"), (1, "note", "idempotent", "done")]


def task(error: object = None, **changed: Any) -> Task:
    fields: dict[str, Any] = {
        "id": new_id(),
        "principal": Principal("acme", "alice"),
        "session_id": new_id(),
        "agent": "support",
        "version": "1",
        "input": "hello",
        "limits": Limits(),
        "metadata": b"{}",
        "priority": 0,
        "status": TaskStatus.DEAD,
        "reason": "why",
        "output": None,
        "error": None if error is None else orjson.dumps(error),
        "usage": Usage(),
        "attempt": 1,
        "failures": 1,
        "journal_length": 4,
        "changes": (StatusChange(1, TaskStatus.DEAD, "why", 200.0),),
        "running_seconds": 1,
        "cancel_requested": False,
        "created_at": 0,
        "started_at": 0,
        "ended_at": 200.0,
    }
    return Task(**(fields | changed))


@pytest.mark.parametrize(
    ("journal", "step"),
    [
        (Journal(), FailedStep(0, 1)),
        (Journal().model(), FailedStep(0, 2)),
        (Journal().model(a="look").result("a", "look"), FailedStep(0, 2)),
        (Journal().model(a="look", b="pay").result("a", "look"), FailedStep(0, 1, "pay")),
        (Journal().model(a="pay").started("a", "pay"), FailedStep(0, 1, "pay")),
        (Journal().model(a="look").result("look#1", "look"), FailedStep(0, 2)),
    ],
)
def test_where_it_stopped_follows_from_what_the_journal_lacks(journal: Journal, step: FailedStep):
    assert failed_step(task({"code": "x"}), steps_of(journal.entries)) == step


def test_where_it_stopped_is_what_the_error_says():
    steps = steps_of(Journal().model().entries)
    assert failed_step(task({"code": "x", "step": 7, "tool": "pay"}), steps) == FailedStep(0, 7, "pay")


def test_only_the_present_generation_has_failed():
    journal = Journal().model().model().again()
    assert failed_step(task(generation=1), steps_of(journal.entries)) == FailedStep(1, 1)
    assert failed_step(task(generation=1), steps_of(journal.model().entries)) == FailedStep(1, 2)


def test_a_letter_marks_the_failed_step_and_adds_it_where_it_left_nothing():
    journal = Journal().add("input").model(a="look").result("a", "look")
    letter = dead_letter(task({"code": "authentication_failed"}), journal.entries, [], [], DECLARED.get)
    assert [(step["step"], step["failed"]) for step in letter.steps] == [(1, False), (2, True)]
    assert "set a valid key" in (letter.advice or "")
    assert [usage.cost for usage in letter.usage] == [10]


def test_a_letter_of_a_task_that_is_dead_no_longer_has_no_failed_step():
    letter = dead_letter(task(status=TaskStatus.QUEUED), Journal().model().entries, [], [], DECLARED.get)
    assert (letter.failed, [step["failed"] for step in letter.steps]) == (None, [False])


def test_history_is_what_had_been_answered_when_the_task_began():
    dead = task()
    before, unanswered, later = new_id(), new_id(), new_id()
    messages = [
        Message("user", "one", before, 1),
        Message("assistant", "two", before, 2),
        Message("user", "lost", unanswered, 3),
        Message("user", "mine", dead.id, 4),
        Message("user", "three", later, 150),
        Message("assistant", "four", later, 160),
    ]
    entries = Journal().add("input").entries
    letter = dead_letter(dead, entries, messages, [], DECLARED.get)
    assert [message.content for message in letter.history] == ["one", "two"]
    again = dead_letter(task(id=dead.id, generation=1), entries, messages, [], DECLARED.get)
    assert [message.content for message in again.history] == ["one", "two", "three", "four"]


@pytest.mark.parametrize(
    ("waited", "advice"),
    [
        (TaskStatus.WAITING, "waiting_seconds=SECONDS"),
        (TaskStatus.BLOCKED, "once its session is free"),
        (TaskStatus.QUEUED, "see that workers of its version run"),
    ],
)
def test_the_advice_fits_what_a_resumed_task_waited_for(waited: TaskStatus, advice: str):
    dead = task({"code": "waited_too_long"})
    statuses = (TaskStatus.DEAD, TaskStatus.QUEUED, waited, TaskStatus.DEAD)
    changes = tuple(StatusChange(number, status, None, 1.0) for number, status in enumerate(statuses, 1))
    letter = dead_letter(replace(dead, changes=changes), Journal().model().entries, [], [], DECLARED.get)
    assert advice in (letter.advice or "")
