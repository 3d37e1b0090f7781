"""Holds what happens against what Roadworthy promises: after each transaction of the store, before each act outside,
and at the end. It looks at the rows themselves and at nothing that the code under test says of them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID

from roadworthy import StartedCall
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.task_row import TaskRow
from roadworthy.domain.event import EventRecord
from roadworthy.domain.ids import SessionId, TaskId
from roadworthy.domain.journal import EntryKind, JournalEntry
from roadworthy.domain.task import LIFE_ENDS, OCCUPYING, TRANSITIONS, Fence, TaskStatus
from roadworthy.testing.virtual_time import SimulatedProcess, VirtualTimeLoop, current_process

from .effects_checker import EffectsChecker
from .money_checker import MoneyChecker
from .outside import EFFECTS, Script
from .plan import Plan
from .servers import SimulatedServer
from .trace import Trace

READS = ("find", "list", "read", "positions", "history", "ping", "claimed_by", "lanes_with_work", "claim_turn")


@dataclass(slots=True)
class Seen:
    """A task as it was after the transaction before."""

    status: TaskStatus | None = None
    attempt: int = 0
    journal: list[JournalEntry] = field(default_factory=list[JournalEntry])
    changes: int = 0
    cancel_requested: bool = False
    failures: int = 0
    losses: int = 0
    """How many of them were rescues."""
    resumed: bool = False
    blocked_in: int = 0
    """The transaction in which it was blocked last."""
    claimable: bool = False
    claimable_since: int = 0
    """The transaction in which it became claimable last."""
    passed: Counter[str] = field(default_factory=Counter[str])
    """While it is claimable: how many tasks of each other user that became so after it were claimed before it."""
    alone: bool = False
    """When it became claimable, nothing else of its user was, and what had been was claimed."""


class Checker:
    def __init__(self, plan: Plan, loop: VirtualTimeLoop, trace: Trace, database: MemoryDatabase) -> None:
        self.broken: list[str] = []
        self.over = asyncio.Event()
        """Set when a promise is broken: there is no need to go on."""
        self.store: SimulatedServer | None = None
        self._plan = plan
        self._loop = loop
        self._trace = trace
        self._database = database
        self._seen: dict[TaskId, Seen] = defaultdict(Seen)
        self._by_token: dict[str, TaskId] = {}
        self._transactions = 0
        self._process_of: dict[UUID, SimulatedProcess] = {}
        self._renewed: dict[UUID, float] = {}
        self._turns: dict[SessionId, int] = defaultdict(int)
        self._last_claimed: dict[tuple[str, str], bool] = {}
        self._holder: dict[TaskId, UUID] = {}
        self._cancelled: dict[TaskId, None] = {}
        self.money = MoneyChecker(database.money, plan.budgets, self.fail)
        self.effects = EffectsChecker(database, plan.lease_seconds, loop.time, self.fail)
        self._suspects: Counter[UUID | None] = Counter()
        """How many tasks changed in this transaction that had been lost before, by the worker that had them."""

    def fail(self, promise: str, what: str) -> None:
        self.broken.append(f"{promise}: {what}")
        self._trace.add("BROKEN", promise, "–", what)
        self.over.set()

    def name(self, row: TaskRow) -> str:
        return f"{self._trace.name(row.id, 'task')} ({_token(row)})"

    # Transactions

    def applied(self, operation: str) -> None:
        method = operation.rpartition(".")[2]
        if method in READS or method.startswith(("heartbeat", "register", "deregister")):
            return
        self._transactions += 1
        if operation.startswith(("budget_", "journal.")):
            self.money.applied()
        changed: list[tuple[TaskRow, Seen]] = []
        became_claimable: list[tuple[TaskRow, Seen]] = []
        for row in self._database.tasks.values():
            seen = self._seen[row.id]
            if (
                len(row.changes) != seen.changes
                or len(row.journal) != len(seen.journal)
                or row.attempt != seen.attempt
                or row.failures != seen.failures
            ):
                changed.append((row, seen))
            if row.claimable != seen.claimable:
                became_claimable.append((row, seen))
            if row.cancel_requested and not seen.cancel_requested:
                self._trace.add(self.name(row), "is to be cancelled")
                seen.cancel_requested = True
        self._suspects = Counter(
            self._holder.get(row.id) for row, seen in changed if seen.losses and not seen.cancel_requested
        )
        if operation == "task_store.claim":
            self._check_order([row for row, _ in changed])
        for row, seen in changed:
            self._check_row(row, seen, operation)
        for row, seen in became_claimable:
            seen.claimable = row.claimable
            if row.claimable:
                self._became_claimable(row, seen)
            else:
                self._last_claimed[row.lane, _owner(row)] = row.status is TaskStatus.RUNNING
        for row, _ in changed:
            self._check_session(row)

    def _check_row(self, row: TaskRow, seen: Seen, operation: str) -> None:
        name = self.name(row)
        if seen.status in LIFE_ENDS and row.status is seen.status:
            self.fail("what has ended stays as it is", f"{name} changed in {operation} after it was {seen.status}")
        if row.journal[: len(seen.journal)] != seen.journal:
            self.fail("the journal only grows", f"{name} has other entries after {operation}")
        grown = row.journal[len(seen.journal) :]
        for place, entry in enumerate(grown, len(seen.journal)):
            self._trace.add(name, f"entry {entry.sequence} {entry.key} of attempt {entry.attempt}")
            self.effects.written(row, entry, name)
            if entry.sequence != place:
                self.fail("sequences rise one by one", f"{name} has {entry.sequence} in place {place}")
            if seen.status is not TaskStatus.RUNNING or entry.attempt != seen.attempt:
                self.fail(
                    "one writer", f"{name} was {seen.status} in attempt {seen.attempt} when {entry.key} was written"
                )
        keys = [entry.key for entry in row.journal]
        if len(set(keys)) != len(keys):
            self.fail("one committed result a step", f"{name} has {keys}")
        if operation == "task_store.submit" and seen.status is None:
            self._new(row)
        self._check_changes(row, seen, operation, grown)
        self.effects.changed(row, name)
        self.money.ended(row, operation)
        seen.journal = list(row.journal)
        seen.attempt, seen.changes, seen.status, seen.failures = row.attempt, len(row.changes), row.status, row.failures

    def _new(self, row: TaskRow) -> None:
        if self._by_token.setdefault(_token(row), row.id) != row.id:
            self.fail("a request makes one task", f"{_token(row)} became two")

    def _check_changes(self, row: TaskRow, seen: Seen, operation: str, grown: Sequence[JournalEntry]) -> None:
        name = self.name(row)
        failures = 0 if grown else seen.failures
        seen.losses = 0 if grown else seen.losses
        numbers = [change.number for change in row.changes]
        if any(after <= before for before, after in pairwise(numbers)):
            self.fail("event numbers rise", f"{name} has changes {numbers}")
        for place, change in enumerate(row.changes[seen.changes :], seen.changes):
            before, after = seen.status, change.status
            self._trace.add(name, f"{before or 'nothing'} → {after}", f"({change.reason})" if change.reason else "")
            self._trace.count(f"→ {after}")
            if before is not None and after is not before and after not in TRANSITIONS[before]:
                self.fail("only lawful changes of status", f"{name}: {before} → {after}")
            if before is TaskStatus.DEAD and after is not TaskStatus.DISCARDED:
                failures, seen.losses, seen.cancel_requested, seen.resumed = 0, 0, False, True
            if after is TaskStatus.BLOCKED:
                seen.blocked_in = self._transactions
            if before is TaskStatus.RUNNING:
                self._check_end_of_attempt(row, seen, operation, after, change.reason, failures)
                failures = row.failures
            if before is TaskStatus.BLOCKED and after is TaskStatus.QUEUED:
                self._check_turn_of(row)
            if "the agent raised" in (change.reason or ""):
                self.fail("the simulation itself works", f"{name}: {change.reason}")
            if after in LIFE_ENDS and after is not TaskStatus.SUCCEEDED and not change.reason:
                self.fail("every end has a reason", f"{name} is {after} without one")
            if place == len(row.changes) - 1 and after is not row.status:
                self.fail("the last change is the status", f"{name} is {row.status}, its last change says {after}")
            seen.status = after
        if row.failures != failures and seen.changes == len(row.changes):
            self.fail("failures are counted right", f"{name} has {row.failures} after {operation}, not {failures}")
        if row.attempt != seen.attempt and (operation != "task_store.claim" or row.attempt != seen.attempt + 1):
            self.fail("an attempt is a claim", f"{name} went from {seen.attempt} to {row.attempt} in {operation}")

    def _check_end_of_attempt(
        self, row: TaskRow, seen: Seen, operation: str, after: TaskStatus, reason: str | None, failures: int
    ) -> None:
        name = self.name(row)
        if seen.cancel_requested and after is not TaskStatus.CANCELLED:
            self.fail("a cancel before the settlement wins", f"{name} became {after}")
        rescued = operation == "task_upkeep.rescue_expired_leases"
        # Of several that were lost with one worker it is not known which one brings workers down.
        guilty = self._plan.max_retries == 0 or (seen.losses > 0 and self._suspects[self._holder.get(row.id)] == 1)
        if rescued:
            self._check_rescue(row)
            seen.losses += 1
        handed_over = after is TaskStatus.QUEUED and not rescued and row.failures == failures
        if after is TaskStatus.QUEUED and not handed_over:
            if row.failures != failures + 1:
                self.fail("failures are counted right", f"{name} went from {failures} to {row.failures}: {reason}")
            if row.failures > self._plan.max_retries and (guilty or not rescued):
                self.fail("too many failures end a task", f"{name} is queued with {row.failures}")
        if after is TaskStatus.DEAD and "times without progress" in (reason or ""):
            if failures < self._plan.max_retries:
                self.fail("dead only after MAX_RETRIES", f"{name} had {failures} failures before: {reason}")
            if rescued and not guilty:
                self.fail("nobody dies for what others did", f"{name}: {reason}")
        elif after is TaskStatus.DEAD and rescued:
            self.fail("dead only after MAX_RETRIES", f"{name}: {reason}")

    def _check_rescue(self, row: TaskRow) -> None:
        assert self.store is not None
        now, lease = self._loop.time(), self._plan.lease_seconds
        self._trace.count("rescues")
        for began, ended in self.store.outages:
            if ended - began > lease + 2.5 and ended <= now < ended + lease - 0.01:
                self.fail(
                    "after an outage nobody is taken over for one lease",
                    f"{self.name(row)} was, {now - ended:.1f} s after {ended - began:.1f} s without a store",
                )
        worker = self._holder.get(row.id)
        if worker is not None and (since := now - self._renewed.get(worker, float("-inf"))) < lease - 0.01:
            self.fail("a lease holds", f"{self.name(row)} was taken {since:.1f} s after its worker's heartbeat")

    # Sessions

    def _check_session(self, row: TaskRow) -> None:
        session = self._database.sessions[row.new.session_id]
        rows = [self._database.tasks[task_id] for task_id in session.task_ids]
        holding = [other for other in rows if other.status in OCCUPYING]
        if len(holding) > 1:
            self.fail("one task of a session at a time", ", ".join(sorted(self.name(other) for other in holding)))
        turns = len(session.turns)
        if turns > self._turns[session.id]:
            started_from = json.loads(row.journal[0].payload).get("turns") if row.journal else None
            resumed = self._seen[row.id].resumed  # it began before the turns that others made meanwhile
            if started_from is not None and not resumed and row.status in LIFE_ENDS and started_from != turns - 1:
                self.fail(
                    "turns do not interleave", f"{self.name(row)} began after {started_from} turns and made {turns}"
                )
            self._turns[session.id] = turns
        elif turns < self._turns[session.id]:
            self.fail("turns stay", f"the session of {self.name(row)} lost one")

    def _check_turn_of(self, row: TaskRow) -> None:
        session = self._database.sessions[row.new.session_id]
        blocked = [self._database.tasks[task_id] for task_id in session.task_ids]
        since = self._seen[row.id].blocked_in
        older = [
            other
            for other in blocked
            if other.status is TaskStatus.BLOCKED and not other.interrupts and self._seen[other.id].blocked_in < since
        ]
        if older and not row.interrupts:
            self.fail("the oldest task of a session is next", f"{self.name(row)} passed {self.name(older[0])}")

    # Order and fairness

    def _became_claimable(self, row: TaskRow, seen: Seen) -> None:
        owner, lane = _owner(row), row.lane
        others = [
            other
            for other in self._database.tasks.values()
            if other is not row and _owner(other) == owner and other.lane == lane and other.claimable
        ]
        seen.claimable_since = self._transactions
        seen.alone = not others and self._last_claimed.get((lane, owner), True)
        seen.passed.clear()

    def _check_order(self, claimed: Sequence[TaskRow]) -> None:
        """A user's only task gets the first turn of virtual time that is to come: of each other user's tasks that
        come later one may have the same turn, and one more where somebody gave a turn back."""
        for waiting in self._database.tasks.values():
            seen = self._seen[waiting.id]
            if not (waiting.claimable and seen.alone):
                continue
            for row in claimed:
                later = self._seen[row.id].claimable_since > seen.claimable_since
                if later and row.lane == waiting.lane and _owner(row) != _owner(waiting):
                    seen.passed[_owner(row)] += 1
                    if seen.passed[_owner(row)] > 2:
                        self.fail(
                            "nobody waits behind somebody's backlog",
                            f"{self.name(waiting)} waits while later tasks of {_owner(row)} are claimed",
                        )

    # Who may write

    def claimed(self, worker_id: UUID, rows: Sequence[TaskId]) -> None:
        self._holder.update(dict.fromkeys(rows, worker_id))

    def registered(self, worker_id: UUID, process: SimulatedProcess) -> None:
        self._process_of[worker_id] = process

    def renewed(self, worker_id: UUID, sent: float) -> None:
        """The worker was told that its lease goes on from then."""
        self._renewed[worker_id] = sent

    def accepted_write(self, what: str, fence: Fence) -> None:
        row = self._database.tasks[fence.task_id]
        if (row.attempt, row.claim_token) != (fence.attempt, fence.claim_token):
            self.fail("one writer", f"{what} of attempt {fence.attempt} was accepted for {self.name(row)}")

    def published(self, record: EventRecord) -> None:
        row = self._database.tasks.get(record.task_id)
        if row is None or record.after.journal > len(row.journal) or record.after.changes > len(row.changes):
            self.fail("events come after their commit", f"{[event.kind.value for event in record.events]}")

    # Acts outside

    def model_called(self, token: str, step: int) -> None:
        row = self._check_actor(token, f"model call {step}")
        if row is None:
            return
        done = {(entry.kind, entry.detail.get("step")) for entry in _present(row)}
        if (EntryKind.MODEL, step) in done:
            self.fail("no finished model reply is made again", f"step {step} of {self.name(row)}")
        for before in range(1, step):
            if (EntryKind.MODEL, before) not in done:
                self.fail("results are in the journal before the next act", f"step {step} of {self.name(row)}")
        wanted = {(s, call_id) for s in range(1, step) for _, call_id in _script(row).calls(s)}
        if missing := wanted - _tools_done(row):
            self.fail("results are in the journal before the next act", f"{self.name(row)} lacks {sorted(missing)}")
        self.money.called(row, step, self.name(row))

    def billed(self, token: str, step: int, cost: int) -> None:
        if (task_id := self._by_token.get(token)) is not None:
            self.money.billed(self._database.tasks[task_id], step, cost)

    def tool_called(self, token: str, step: int, tool: str, call_id: str, key: str, note: str) -> None:
        row = self._check_actor(token, f"{call_id} of step {step}")
        if row is None:
            return
        if (step, call_id) in _tools_done(row):
            self.fail("no finished tool call is made again", f"{call_id} in step {step} of {self.name(row)}")
        if (EntryKind.MODEL, step) not in {(entry.kind, entry.detail.get("step")) for entry in _present(row)}:
            self.fail("results are in the journal before the next act", f"{call_id} in step {step} of {self.name(row)}")
        started = [entry for entry in _present(row) if entry.kind is EntryKind.STARTED]
        is_started = any((entry.detail["step"], entry.detail["call_id"]) == (step, call_id) for entry in started)
        if EFFECTS[tool] == "once" and not is_started:
            self.fail("a `once` call is marked before it begins", f"{call_id} in step {step} of {self.name(row)}")
        self.effects.called(row, step, tool, call_id, key, note, self.name(row))

    def reconcile_asked(self, call: StartedCall) -> None:
        self.effects.reconcile_asked(call)

    def reconciled(self, call: StartedCall, happened: bool) -> None:
        self.effects.reconciled(call, happened)

    def _check_actor(self, token: str, what: str) -> TaskRow | None:
        task_id = self._by_token.get(token)
        if task_id is None:
            self.fail("only accepted tasks run", f"{what} of {token}")
            return None
        row = self._database.tasks[task_id]
        owner = None if row.worker_id is None else self._process_of[row.worker_id]
        if row.status is not TaskStatus.RUNNING or owner is not current_process():
            self.fail("only the owner acts", f"{current_process()} made {what}; {self.name(row)} is {owner}'s")
        return row

    # Clients

    def acknowledged(self, task_id: TaskId) -> TaskRow | None:
        """The task that a client was told to be accepted."""
        row = self._database.tasks.get(task_id)
        if row is None:
            self.fail("accepted means committed", f"{task_id} is not there")
        return row

    def told_cancelled(self, task_id: TaskId) -> None:
        """A client was told that this task is going to be cancelled, or was."""
        self._cancelled[task_id] = None

    def with_status(self, status: TaskStatus) -> list[TaskRow]:
        return self._database.with_status(status)

    def row(self, task_id: TaskId) -> TaskRow:
        return self._database.tasks[task_id]

    # The end

    def unfinished(self) -> list[TaskRow]:
        return [row for row in self._database.tasks.values() if row.status not in LIFE_ENDS]

    def check_end(self) -> None:
        for task_id in self._cancelled:
            if self.row(task_id).status is not TaskStatus.CANCELLED:
                self.fail("a cancel that was accepted holds", f"{self.name(self.row(task_id))} was not cancelled")
        for row in self._database.tasks.values():
            if row.status is TaskStatus.SUCCEEDED:
                self._check_output(row)
            if row.status is TaskStatus.WAITING:
                self.fail("every task ends", f"{self.name(row)} is waiting")
        self.effects.check_end(self.name)
        self.money.check_end(self._database.tasks, self.name)

    def _check_output(self, row: TaskRow) -> None:
        models = [entry for entry in _present(row) if entry.kind is EntryKind.MODEL]
        said = ["".join(text for _, text in entry.detail["pieces"]) for entry in models]
        output = json.loads(row.output or b"null")
        replies = output["replies"] if isinstance(output, dict) else [output]
        if replies != said[-len(replies) :] or len(said) != len(_script(row).steps) + 1:
            self.fail("the answer is that of the journal", f"{self.name(row)} answered {replies}, its journal {said}")
        if isinstance(output, dict) and output["version"] != row.new.version:
            self.fail("a task keeps its version", f"{self.name(row)} was run by {output['version']}")


def _token(row: TaskRow) -> str:
    return _script(row).token


def _script(row: TaskRow) -> Script:
    return Script.of(row.new.input)


def _present(row: TaskRow) -> list[JournalEntry]:
    """The entries of the present generation."""
    return [entry for entry in row.journal if entry.generation == row.generation]


def _owner(row: TaskRow) -> str:
    return f"{row.new.principal.tenant}/{row.new.principal.user}"


def _tools_done(row: TaskRow) -> set[tuple[int, str]]:
    return {(e.detail["step"], e.detail["call_id"]) for e in _present(row) if e.kind is EntryKind.TOOL}
