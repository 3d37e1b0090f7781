"""Holds tool calls against what is promised of their effects: who may make them, how often, what is said of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from roadworthy import StartedCall
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.task_row import TaskRow
from roadworthy.domain.decision import Decision, PendingCall, Verdict, pending_calls, result_key, standing
from roadworthy.domain.effect import Outcome
from roadworthy.domain.errors import JournalMismatch
from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import EntryKind, JournalEntry, generation_of, key_in
from roadworthy.domain.task import TaskStatus

from .outside import EFFECTS, TOOL_SECONDS

AT_MOST_ONCE = "a `once` tool happens at most once"
ONE_KEY = "a call has one key, and no other call has it"
ALLOWED = "nothing is sold that nobody allowed"
AS_DECIDED = "what was decided is done"
NOT_BEFORE = "nobody says that a call did not happen before it no longer can"
UNKNOWN = "an unknown effect is looked up or decided, never guessed"
ANSWERABLE = "whoever waits can be answered"
HEARD = "a decision is heard"


@dataclass(frozen=True, slots=True)
class Started:
    at: float
    """By the loop's clock."""
    attempt: int
    key: str


class EffectsChecker:
    def __init__(
        self,
        database: MemoryDatabase,
        lease_seconds: float,
        now: Callable[[], float],
        fail: Callable[[str, str], None],
    ) -> None:
        self.happened: Callable[[str], int] = lambda key: 0
        """How often what has the key happened."""
        self._database = database
        self._lease_seconds = lease_seconds
        self._now = now
        self._fail = fail
        self._key_of: dict[tuple[TaskId, int, int, str], str] = {}
        self._call_of: dict[str, tuple[TaskId, int, int, str]] = {}
        self._called: Counter[str] = Counter()
        self._started: dict[tuple[TaskId, str], Started] = {}
        self._told: dict[str, bool] = {}
        """What a service said of a key when it was asked."""

    # Transactions

    def written(self, row: TaskRow, entry: JournalEntry, name: str) -> None:
        if entry.kind is EntryKind.STARTED:
            started = Started(self._now(), entry.attempt, entry.detail["key"])
            self._started[row.id, result_key(entry)] = started
        elif entry.kind is EntryKind.TOOL:
            self._check_result(row, entry, f"{entry.key} of {name}")

    def _check_result(self, row: TaskRow, entry: JournalEntry, name: str) -> None:
        started, outcome = self._started.get((row.id, entry.key)), entry.detail["outcome"]
        verdict = decision.verdict if (decision := self.decisions(row).get(entry.key)) else None
        if started is not None and entry.attempt > started.attempt:
            told = self._told.get(started.key)
            known = {True: Outcome.DONE, False: Outcome.NOT_DONE, None: None}[told]
            said = {Verdict.DONE: Outcome.DONE, Verdict.NOT_DONE: Outcome.NOT_DONE}.get(verdict)  # type: ignore[arg-type]
            if outcome not in (known, said):
                self._fail(UNKNOWN, f"{name} is {outcome}, its service said {told}, people {verdict}")
        if outcome == Outcome.NOT_DONE and started is not None and self.happened(started.key):
            # Who raised NotDone, looked it up or decided has seen that it did not happen.
            self._fail(UNKNOWN, f"{name} is {outcome}, and it did happen")
        if (outcome == Outcome.DENIED) is not (verdict is Verdict.DENY):
            self._fail(AS_DECIDED, f"{name} is {outcome}, decided was {verdict}")

    def changed(self, row: TaskRow, name: str) -> None:
        if row.status is not TaskStatus.WAITING:
            return
        pending = self.pending(row)
        if not pending and json.loads(row.error or b"{}").get("code") != JournalMismatch.code:
            self._fail(ANSWERABLE, f"{name} waits for nothing")
        for call in pending:
            if self.answer(row, call) is not None:
                self._fail(HEARD, f"{name} waits for {call.call_id}, which was decided")

    # What people see

    def pending(self, row: TaskRow) -> list[PendingCall]:
        return pending_calls(row.journal, row.generation)

    def decisions(self, row: TaskRow) -> dict[str, Decision]:
        return standing(row.decisions, row.generation)

    def answer(self, row: TaskRow, call: PendingCall) -> Decision | None:
        """What was decided of it."""
        found = self.decisions(row).get(call.call_id)
        asked = call.about == "approval"
        return found if found and asked is (found.verdict in (Verdict.APPROVE, Verdict.DENY)) else None

    def is_over(self, row: TaskRow, call: PendingCall) -> bool:
        """Whether it can no longer begin, or still be running."""
        started = self._started.get((row.id, call.call_id))
        return started is None or self._now() >= self._over_at(started)

    def has_happened(self, row: TaskRow, call: PendingCall) -> bool:
        return self.happened(self._started[row.id, call.call_id].key) > 0

    def accepted(self, row: TaskRow, call: PendingCall) -> None:
        """A decision of it was."""
        if call.about == "effect" and not self.is_over(row, call):
            self._fail(NOT_BEFORE, f"a decision of {call.call_id} was accepted")

    def _over_at(self, started: Started) -> float:
        return started.at + TOOL_SECONDS + self._lease_seconds - 0.01

    # Acts outside

    def called(self, row: TaskRow, step: int, tool: str, call_id: str, key: str, note: str, name: str) -> None:
        call = (row.id, row.generation, step, call_id)
        name = f"{call_id} in step {step} of {name}"
        if self._key_of.setdefault(call, key) != key or self._call_of.setdefault(key, call) != call:
            self._fail(ONE_KEY, f"{name} has {key}, {self._key_of[call]} before; {key} is of {self._call_of[key]}")
        if EFFECTS[tool] != "once":
            return
        self._called[key] += 1
        if self._called[key] > 1:
            self._fail(AT_MOST_ONCE, name)
        if self._told.get(key) is False:
            self._fail(NOT_BEFORE, f"{name} begins after its service said that it did not happen")
        result = key_in(row.generation, f"t{step}:{call_id}")
        started = self._started.get((row.id, result))
        if tool == "sell":
            self._check_allowed(next((each for each in row.decisions if each.call_id == result), None), note, name)
        if started is not None and started.key != key:
            self._fail(ONE_KEY, f"{name} has {key}, and was started with {started.key}")

    def _check_allowed(self, decision: Decision | None, note: str, name: str) -> None:
        if decision is None or decision.verdict is not Verdict.APPROVE:
            self._fail(ALLOWED, f"{name}: {decision and decision.verdict}")
        elif note != (json.loads(decision.value).get("note", "") if decision.value else ""):
            self._fail(AS_DECIDED, f"{name} says {note!r}, decided was {decision.value!r}")

    def reconcile_asked(self, call: StartedCall) -> None:
        started = self._started[TaskId(UUID(call.task_id)), call.call_id]
        if self._now() < self._over_at(started):
            self._fail(NOT_BEFORE, f"{call.call_id} is looked up {self._now() - started.at:.1f} s after its start")

    def reconciled(self, call: StartedCall, happened: bool) -> None:
        self._told[call.idempotency_key] = happened

    # The end

    def check_end(self, name: Callable[[TaskRow], str]) -> None:
        for row in self._database.tasks.values():
            results = {entry.key: entry for entry in row.journal if entry.kind is EntryKind.TOOL}
            for decision in row.decisions:
                entry = results.get(decision.call_id)
                if entry is None:
                    if row.status is TaskStatus.SUCCEEDED and generation_of(decision.call_id) == row.generation:
                        self._fail(AS_DECIDED, f"nothing came of {decision.call_id} of {name(row)}")
                elif decision.verdict is Verdict.DONE and entry.detail.get("decision", {}).get("verdict") == "done":
                    # Else the tool's own result came late, and before it was looked for what was decided.
                    said = json.loads(decision.value or b"null")
                    if entry.detail["result"] != said:
                        self._fail(AS_DECIDED, f"{entry.detail['result']!r} is said of {entry.key} of {name(row)}")
