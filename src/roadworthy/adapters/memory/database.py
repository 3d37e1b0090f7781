"""The tables, and the rules that several ports share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar
from uuid import UUID

from roadworthy.adapters.memory.faults import Faults, NoFaults
from roadworthy.adapters.memory.money_tables import MoneyTables
from roadworthy.adapters.memory.similar_tables import SimilarTables
from roadworthy.adapters.memory.task_row import TaskRow, owns
from roadworthy.domain.errors import NotFound
from roadworthy.domain.ids import SessionId, TaskId, new_id
from roadworthy.domain.operator_action import ActionKind, ActionTarget, OperatorAction
from roadworthy.domain.principal import Principal
from roadworthy.domain.route import Tier
from roadworthy.domain.session import Session
from roadworthy.domain.task import OCCUPYING, OPEN, TaskStatus, Turn
from roadworthy.ports.clock import Clock
from roadworthy.ports.worker_registry import Worker

T = TypeVar("T")


@dataclass(slots=True)
class SessionRow:
    id: SessionId
    principal: Principal
    created_at: float
    updated_at: float
    turns: list[Turn] = field(default_factory=list[Turn])
    task_ids: set[TaskId] = field(default_factory=set[TaskId])
    tier: Tier | None = None

    def session(self) -> Session:
        return Session(self.id, self.principal, len(self.turns), self.created_at, self.updated_at)


@dataclass(slots=True)
class WorkerRow:
    worker: Worker
    lease_until: float
    started_at: float
    last_seen: float
    withdrawn: bool = False
    """It takes no more tasks."""
    suspects: tuple[TaskId, ...] | None = None
    """Once it is lost: which of its tasks had been lost before, those that were lost most often last."""


@dataclass(slots=True)
class DutyRow:
    last_run: float
    next_run: float
    resumed_at: float


ENDED = float("-inf")
"""The end of a lease that can't be renewed any more."""


class MemoryDatabase:
    """One database; every adapter made over it sees the same rows."""

    def __init__(self, clock: Clock, faults: Faults | None = None) -> None:
        self.faults: Faults = faults or NoFaults()
        self.sessions: dict[SessionId, SessionRow] = {}
        self.workers: dict[UUID, WorkerRow] = {}
        self.duties: dict[str, DutyRow] = {}
        self.tasks: dict[TaskId, TaskRow] = {}
        self.operator_actions: list[OperatorAction] = []
        self.money = MoneyTables()
        self.similar = SimilarTables()
        self._clock = clock
        self.made_at = clock.time()
        self._transaction = threading.Lock()
        self._by_status: dict[TaskStatus, dict[TaskId, TaskRow]] = {status: {} for status in TaskStatus}
        self._by_key: dict[tuple[str, str, str], TaskId] = {}
        self._last_tag_of_owner: dict[tuple[str, int, str, str], int] = {}
        self._highest_tag_claimed: dict[tuple[str, int], int] = {}
        self._places = 0

    async def run(self, operation: str, apply: Callable[[], T]) -> T:
        """Carry out one call as one transaction; `apply` checks everything before it changes anything."""

        def transaction() -> T:
            with self._transaction:
                return apply()

        return await self.faults.around(operation, transaction)

    def now(self) -> float:
        return self._clock.time()

    def with_status(self, *statuses: TaskStatus) -> list[TaskRow]:
        """The tasks with any of these statuses, oldest first."""
        rows = [row for status in statuses for row in self._by_status[status].values()]
        return sorted(rows, key=lambda row: row.id)

    def task_of(self, principal: Principal, task_id: TaskId) -> TaskRow:
        row = self.tasks.get(task_id)
        if row is None or not row.belongs_to(principal):
            raise NotFound
        return row

    def task_with_key(self, principal: Principal, key: str) -> TaskRow | None:
        task_id = self._by_key.get((principal.tenant, principal.user, key))
        return None if task_id is None else self.tasks[task_id]

    def session_of(self, principal: Principal, session_id: SessionId) -> SessionRow:
        session = self.sessions.get(session_id)
        if session is None or not owns(principal, session.principal):
            raise NotFound
        return session

    def tasks_of_session(self, session_id: SessionId, statuses: Iterable[TaskStatus] = TaskStatus) -> list[TaskRow]:
        """Oldest first."""
        wanted = frozenset(statuses)
        rows = (self.tasks[task_id] for task_id in self.sessions[session_id].task_ids)
        return sorted((row for row in rows if row.status in wanted), key=lambda row: row.id)

    def occupant(self, session_id: SessionId) -> TaskRow | None:
        return next(iter(self.tasks_of_session(session_id, OCCUPYING)), None)

    def add_task(self, row: TaskRow) -> None:
        new = row.new
        row.place = self.next_place()
        self.tasks[row.id] = row
        self._by_status[row.status][row.id] = row
        self.sessions[new.session_id].task_ids.add(row.id)
        if new.idempotency_key is not None:
            self._by_key[new.principal.tenant, new.principal.user, new.idempotency_key] = row.id
        row.record_change(None, row.created_at)
        row.ready_since = row.created_at
        if row.status is TaskStatus.QUEUED:
            self._set_fair_tag(row)

    def delete_session(self, session_id: SessionId) -> None:
        deleted = self.sessions[session_id].task_ids
        self.operator_actions = [
            action.without_words() if action.target.task_id in deleted else action for action in self.operator_actions
        ]
        for row in self.tasks_of_session(session_id):
            del self.tasks[row.id]
            del self._by_status[row.status][row.id]
            if row.new.idempotency_key is not None:
                del self._by_key[row.new.principal.tenant, row.new.principal.user, row.new.idempotency_key]
        del self.sessions[session_id]

    def change(self, row: TaskRow, status: TaskStatus, reason: str | None = None) -> None:
        """Give the task another status, with all that follows for its place in the queue.

        IllegalTransition, and nothing changed, if it cannot have that one now.
        """
        before, now = row.status, self.now()
        row.change(status, reason, now)
        del self._by_status[before][row.id]
        self._by_status[status][row.id] = row
        if status is not TaskStatus.RUNNING:
            row.worker_id = None
        row.run_after = None
        if status is TaskStatus.QUEUED:
            row.ready_since = now
            self._set_fair_tag(row)
        elif before is TaskStatus.QUEUED and status is not TaskStatus.RUNNING:
            self._give_fair_tag_back(row)
        if before is not TaskStatus.BLOCKED and status in OPEN:
            row.waits_since = now
        self.sessions[row.new.session_id].updated_at = now

    def release_next(self, session_id: SessionId) -> TaskRow | None:
        """Queue the session's next blocked task if nothing holds the session: interrupting ones first, of these
        the newest, then the oldest of the others."""
        if self.occupant(session_id) is not None:
            return None
        blocked = self.tasks_of_session(session_id, {TaskStatus.BLOCKED})
        interrupting = [row for row in blocked if row.interrupts]
        row = interrupting[-1] if interrupting else min(blocked, key=lambda row: row.place, default=None)
        if row is not None:
            self.change(row, TaskStatus.QUEUED)
        return row

    def next_place(self) -> int:
        self._places += 1
        return self._places

    def record_actions(
        self, operator: Principal, kind: ActionKind, targets: Sequence[ActionTarget], note: str | None = None
    ) -> None:
        """One action for each target, as part of the transaction under way."""
        who = Principal(operator.tenant, operator.user)
        for target in targets:
            self.operator_actions.append(OperatorAction(new_id(), self.now(), who, kind, target, note))

    def move(self, row: TaskRow, version: str, reason: str) -> None:
        """Give a queued, blocked or waiting task to another version of its agent; a waiting one is queued."""
        claimable = row.claimable
        if claimable:
            self._give_fair_tag_back(row)
        row.new = replace(row.new, version=version)
        if row.status is TaskStatus.WAITING:
            row.error = None
            self.change(row, TaskStatus.QUEUED, reason)
            return
        row.record_change(reason, self.now())
        row.waits_since = self.now()
        if claimable:
            self._set_fair_tag(row)

    def pause(self, row: TaskRow, seconds: float) -> None:
        """Let a task that was just queued be claimed only later."""
        self._give_fair_tag_back(row)
        row.run_after = self.now() + seconds

    def end_pause(self, row: TaskRow) -> None:
        """It may be claimed now."""
        row.run_after = None
        self._set_fair_tag(row)

    def reach_tags(self, lanes: Iterable[str], claimed: Iterable[TaskRow]) -> None:
        """Let tags of all lanes that these were chosen from begin above theirs: so they can be compared."""
        for lane in lanes:
            for row in claimed:
                place = lane, row.new.priority
                self._highest_tag_claimed[place] = max(self._highest_tag_claimed.get(place, 0), row.fair_tag)

    def holds_lease(self, worker_id: UUID | None) -> bool:
        worker = None if worker_id is None else self.workers.get(worker_id)
        return worker is not None and worker.lease_until > self.now()

    def serving(self, lane: str) -> list[WorkerRow]:
        """Those who take tasks of the lane now."""
        now = self.now()
        return [
            row
            for row in self.workers.values()
            if lane in row.worker.lanes and not row.withdrawn and row.lease_until > now
        ]

    def own(self, lane: str) -> list[WorkerRow]:
        """Those of them that run the lane's own version."""
        return [row for row in self.serving(lane) if lane not in row.worker.continued]

    def seconds_of_lost_attempt(self, row: TaskRow) -> float:
        """From its claim to its worker's last sign of life."""
        worker = None if row.worker_id is None else self.workers.get(row.worker_id)
        return 0 if worker is None else max(worker.last_seen - row.changes[-1].at, 0)

    def suspects_of(self, worker_id: UUID | None) -> tuple[TaskId, ...]:
        """Which tasks of a lost worker had been lost before, as they were when the first one was taken from it."""
        worker = None if worker_id is None else self.workers.get(worker_id)
        if worker is not None and worker.suspects is not None:
            return worker.suspects
        running = [row for row in self.with_status(TaskStatus.RUNNING) if row.worker_id == worker_id]
        suspects = [row for row in running if row.losses and not row.cancel_requested]
        suspects.sort(key=lambda row: (row.losses, row.id))
        ids = tuple(row.id for row in suspects)
        if worker is not None:
            worker.suspects = ids
        return ids

    def end_lease(self, worker_id: UUID | None) -> None:
        """It can't be renewed any more."""
        worker = None if worker_id is None else self.workers.get(worker_id)
        if worker is not None:
            worker.lease_until = ENDED

    def _set_fair_tag(self, row: TaskRow) -> None:
        lane, priority, owner = row.lane, row.new.priority, row.new.principal
        last = self._last_tag_of_owner.get((lane, priority, owner.tenant, owner.user), 0)
        row.fair_tag = 1 + max(last, self._highest_tag_claimed.get((lane, priority), 0))
        self._last_tag_of_owner[lane, priority, owner.tenant, owner.user] = row.fair_tag

    def _give_fair_tag_back(self, row: TaskRow) -> None:
        if row.fair_tag:
            owner = row.new.principal
            self._last_tag_of_owner[row.lane, row.new.priority, owner.tenant, owner.user] -= 1
            row.fair_tag = 0
