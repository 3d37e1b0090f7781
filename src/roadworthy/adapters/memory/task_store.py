"""Tasks in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from roadworthy.adapters.memory.database import MemoryDatabase, SessionRow
from roadworthy.adapters.memory.storable import check_text
from roadworthy.adapters.memory.task_row import INTERRUPTED, TaskRow, owns
from roadworthy.domain.event import MAX_ATTEMPTS
from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import NotStorable
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import (
    LIFE_ENDS,
    OCCUPYING,
    Claimed,
    NewTask,
    OnBusy,
    Settlement,
    Task,
    TaskStatus,
    check_transition,
)
from roadworthy.ports.task_store import (
    Busy,
    Changed,
    KeyReused,
    NoSuchSession,
    Settled,
    SettleRefused,
    SubmitOutcome,
    Submitted,
    SubmittedBefore,
    TaskFilter,
)

_KEEPS_TURN = frozenset({TaskStatus.SUCCEEDED, TaskStatus.PARTIAL, TaskStatus.CANCELLED})


class MemoryTaskStore:
    """A `TaskStore` over a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def submit(self, tasks: Sequence[NewTask]) -> list[SubmitOutcome]:
        return await self._database.run("task_store.submit", lambda: [self._submit(new) for new in tasks])

    async def submitted_before(
        self, principal: Principal, idempotency_key: str, request_digest: bytes
    ) -> SubmittedBefore | KeyReused | None:
        return await self._database.run(
            "task_store.submitted_before", lambda: self._submitted_before(principal, idempotency_key, request_digest)
        )

    async def claim(self, worker_id: UUID, lanes: Sequence[str], limit: int) -> list[Claimed]:
        return await self._database.run("task_store.claim", lambda: self._claim(worker_id, lanes, limit))

    async def claimed_by(self, worker_id: UUID, known: Sequence[TaskId]) -> list[Claimed]:
        return await self._database.run("task_store.claimed_by", lambda: self._claimed_by(worker_id, known))

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settled | SettleRefused]:
        for settlement in settlements:
            check_transition(TaskStatus.RUNNING, settlement.status)
        return await self._database.run("task_store.settle", lambda: [self._settle(each) for each in settlements])

    async def cancel(self, principal: Principal, task_id: TaskId) -> list[Changed]:
        return await self._database.run("task_store.cancel", lambda: self._cancel(principal, task_id))

    async def find(self, principal: Principal, task_id: TaskId) -> Task:
        return await self._database.run("task_store.find", lambda: self._database.task_of(principal, task_id).task())

    async def list(self, principal: Principal, filter: TaskFilter) -> list[Task]:
        return await self._database.run("task_store.list", lambda: self._list(principal, filter))

    async def positions(self, task_ids: Sequence[TaskId]) -> dict[TaskId, tuple[int, int, bool]]:
        def positions() -> dict[TaskId, tuple[int, int, bool]]:
            rows = (self._database.tasks.get(task_id) for task_id in task_ids)
            return {row.id: (len(row.journal), len(row.changes), row.status in LIFE_ENDS) for row in rows if row}

        return await self._database.run("task_store.positions", positions)

    async def ping(self) -> None:
        await self._database.run("task_store.ping", lambda: None)

    def _submit(self, new: NewTask) -> SubmitOutcome:
        database, principal = self._database, new.principal
        known = database.tasks.get(new.id)
        if known is not None:
            return Submitted(known.task()) if known.belongs_to(principal) else NotStorable("the task's id is taken")
        try:
            for text in (new.input, new.agent, new.version, new.idempotency_key or ""):
                check_text(text)
        except ValueError as error:
            return NotStorable(f"the task can't be stored: {error}")
        if new.idempotency_key is not None:
            before = self._submitted_before(principal, new.idempotency_key, new.request_digest)
            if before is not None:
                return before
        session = database.sessions.get(new.session_id)
        if session is None and not new.opens_session:
            return NoSuchSession()
        if session is not None and not owns(principal, session.principal):
            return NoSuchSession()
        now = database.now()
        if session is None:
            owner = Principal(principal.tenant, principal.user)
            session = SessionRow(new.session_id, owner, created_at=now, updated_at=now)
            database.sessions[session.id] = session
        occupant = database.occupant(session.id)
        if occupant is not None and new.on_busy is OnBusy.REJECT:
            return Busy(occupant.id)
        interrupts = new.on_busy is OnBusy.INTERRUPT
        interrupted: TaskRow | None = None
        if occupant is not None and interrupts:
            if not occupant.cancel_requested:
                occupant.cancel_requested, occupant.reason = True, INTERRUPTED
            interrupted = occupant
            if occupant.status is not TaskStatus.RUNNING:
                occupant.keep_partial_output()
                database.change(occupant, TaskStatus.CANCELLED, INTERRUPTED)
                occupant = None
        status = TaskStatus.QUEUED if occupant is None else TaskStatus.BLOCKED
        mine = replace(new, principal=session.principal)
        row = TaskRow(mine, created_at=now, waits_since=now, status=status, interrupts=interrupts)
        database.add_task(row)
        session.updated_at = now
        return Submitted(row.task(), interrupted and interrupted.task())

    def _submitted_before(self, principal: Principal, key: str, digest: bytes) -> SubmittedBefore | KeyReused | None:
        before = self._database.task_with_key(principal, key)
        if before is None:
            return None
        return SubmittedBefore(before.task()) if before.new.request_digest == digest else KeyReused()

    def _claim(self, worker_id: UUID, lanes: Sequence[str], limit: int) -> list[Claimed]:
        database = self._database
        if not database.holds_lease(worker_id) or database.workers[worker_id].withdrawn:
            return []
        continued = database.workers[worker_id].worker.continued
        mine = {lane for lane in lanes if lane not in continued or not database.own(lane)}
        rows = [row for row in database.with_status(TaskStatus.QUEUED) if row.claimable and row.lane in mine]
        rows.sort(key=lambda row: (-row.new.priority, row.fair_tag, row.id))
        claimed: list[Claimed] = []
        for row in rows[:limit]:
            row.attempt += 1
            row.claim_token = uuid4()
            row.worker_id = worker_id
            version = continued.get(row.lane)
            database.change(row, TaskStatus.RUNNING, version and f"continued by version {version}")
            row.started_at = row.started_at or database.now()
            claimed.append(self._claimed(row, row.claim_token))
        database.reach_tags(mine, rows[:limit])
        return claimed

    def _claimed_by(self, worker_id: UUID, known: Sequence[TaskId]) -> list[Claimed]:
        running = self._database.with_status(TaskStatus.RUNNING)
        held = [row for row in running if row.worker_id == worker_id and row.id not in known]
        return [self._claimed(row, row.claim_token) for row in held if row.claim_token is not None]

    def _claimed(self, row: TaskRow, claim_token: UUID) -> Claimed:
        session = self._database.sessions[row.new.session_id]
        return Claimed(row.task(), claim_token, len(session.turns), session.tier)

    def _settle(self, settlement: Settlement) -> Settled | SettleRefused:
        database = self._database
        row = database.tasks.get(settlement.fence.task_id)
        if row is None or row.new.session_id != settlement.session_id or not row.holds(settlement.fence):
            return SettleRefused()
        if row.status is not TaskStatus.RUNNING:
            return Settled(row.task(), self._released_before(row))
        status, reason, error = settlement.status, settlement.reason, settlement.error
        if status is TaskStatus.WAITING and row.decided_attempt == row.attempt:
            status, reason, error = (
                TaskStatus.QUEUED,
                "somebody decided about one of its calls before it could wait",
                None,
            )
        if row.interrupted:
            status, reason = TaskStatus.CANCELLED, INTERRUPTED
        elif row.cancel_requested and status is not TaskStatus.CANCELLED:
            status, reason = TaskStatus.CANCELLED, "cancelled"
        elif status is TaskStatus.QUEUED and row.attempt >= MAX_ATTEMPTS:
            status, reason = TaskStatus.DEAD, "it was started too often"
        row.output, row.error = settlement.output or row.output, error
        row.usage = settlement.usage or row.usage
        row.tier = settlement.tier or row.tier
        if status is TaskStatus.DEAD and row.error is None:
            row.error = json.dumps({"code": "started_too_often", "message": reason}).encode()
        row.running_seconds += settlement.running_seconds
        row.failures += settlement.counts_as_failure
        database.change(row, status, reason)
        if status is TaskStatus.QUEUED and settlement.run_after_seconds > 0:
            database.pause(row, settlement.run_after_seconds)
        session = database.sessions[row.new.session_id]
        if settlement.turn is not None and status in _KEEPS_TURN:
            session.turns.append(settlement.turn)
        if status not in OCCUPYING:
            session.tier = session.tier or settlement.session_tier
        released = database.release_next(row.new.session_id)
        return Settled(row.task(), released.task() if released else None)

    def _released_before(self, settled: TaskRow) -> Task | None:
        """What the settlement released whose acknowledgement was lost, if nobody has claimed it since."""
        occupant = self._database.occupant(settled.new.session_id)
        if occupant is None or occupant.status is not TaskStatus.QUEUED or len(occupant.changes) < 2:
            return None
        return occupant.task() if occupant.changes[-2].status is TaskStatus.BLOCKED else None

    def _cancel(self, principal: Principal, task_id: TaskId) -> list[Changed]:
        database = self._database
        row = database.task_of(principal, task_id)
        if row.status in LIFE_ENDS:
            return [Changed(row.task())]
        row.cancel_requested = True
        if row.status is TaskStatus.RUNNING:
            return [Changed(row.task())]
        row.keep_partial_output()
        database.change(row, TaskStatus.CANCELLED, "cancelled")
        released = database.release_next(row.new.session_id)
        return [Changed(each.task()) for each in (row, released) if each is not None]

    def _list(self, principal: Principal, filter: TaskFilter) -> list[Task]:
        rows = sorted(self._database.tasks.values(), key=lambda row: row.id, reverse=True)
        return [
            row.task()
            for row in rows
            if row.belongs_to(principal)
            and (filter.status is None or row.status is filter.status)
            and (filter.session_id is None or row.new.session_id == filter.session_id)
            and (filter.agent is None or row.new.agent == filter.agent)
            and (filter.before is None or row.id < filter.before)
        ][: filter.limit]
