"""How new tasks get into the store: most of them in one statement, the others each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from roadworthy.adapters.postgres import reasons, rows
from roadworthy.adapters.postgres.failures import NotAccepted, SessionOccupied
from roadworthy.adapters.postgres.partial_output import PartialOutput
from roadworthy.adapters.postgres.pool import Pool, RollBack, Transaction
from roadworthy.adapters.postgres.session_wall import OwnerTags, SessionWall
from roadworthy.domain.event import changed_number
from roadworthy.domain.ids import SessionId, TaskId
from roadworthy.domain.journal import NotStorable
from roadworthy.domain.task import NewTask, OnBusy, StatusChange, Task, TaskStatus, Usage
from roadworthy.ports.task_store import Busy, KeyReused, NoSuchSession, SubmitOutcome, Submitted, SubmittedBefore

_QUEUED_NUMBER: Final = changed_number(0, 0, 0, TaskStatus.QUEUED)


class _Refused(RollBack):
    """Nothing of this task is kept."""

    def __init__(self, outcome: SubmitOutcome) -> None:
        super().__init__()
        self.outcome = outcome


class Submission:
    def __init__(self, pool: Pool, queries: Mapping[str, str], wall: SessionWall) -> None:
        self._pool = pool
        self._queries = queries
        self._wall = wall
        self._partial_output = PartialOutput()

    async def submit(self, tasks: Sequence[NewTask]) -> list[SubmitOutcome]:
        outcomes: list[SubmitOutcome | None] = [None] * len(tasks)
        first_of_session: dict[SessionId, int] = {}
        for position, new in enumerate(tasks):
            first_of_session.setdefault(new.session_id, position)
        positions = list(first_of_session.values())
        try:
            together = await self._submit_together([tasks[position] for position in positions])
        except (NotAccepted, SessionOccupied):
            together = {}
        for position in positions:
            created_at = together.get(tasks[position].id)
            if created_at is not None:
                outcomes[position] = Submitted(_queued(tasks[position], created_at))
        return [outcome or await self._submit_alone(new) for outcome, new in zip(outcomes, tasks, strict=True)]

    async def _submit_together(self, tasks: Sequence[NewTask]) -> dict[TaskId, datetime]:
        """When each of them was created; those that are missing need a closer look."""
        if not tasks:
            return {}
        created = await self._pool.fetch(self._queries["submit"], *_columns(tasks))
        return {row[0]: row[1] for row in created}

    async def _submit_alone(self, new: NewTask) -> SubmitOutcome:
        try:
            async with self._pool.transaction() as transaction:
                return await self._submit_in(transaction, new)
        except _Refused as refused:
            return refused.outcome
        except NotAccepted as problem:
            return NotStorable(f"the task can't be stored: {problem}")

    async def _submit_in(self, transaction: Transaction, new: NewTask) -> SubmitOutcome:
        # The session's lock comes before the key's, as in `submit.sql`.
        owner = await self._wall.lock(transaction, new.session_id)
        await self._take_key(transaction, new)
        await self._see_whether_it_is_there(transaction, new)
        if owner is None and new.opens_session:
            principal = new.principal
            await transaction.fetch(self._queries["open_session"], new.session_id, principal.tenant, principal.user)
            owner = await self._wall.lock(transaction, new.session_id)
        if owner is None or (owner.tenant, owner.user) != (new.principal.tenant, new.principal.user):
            raise _Refused(NoSuchSession())
        return await self._enter_session(transaction, new)

    async def _take_key(self, transaction: Transaction, new: NewTask) -> None:
        if new.idempotency_key is None:
            return
        key = (new.principal.tenant, new.principal.user, new.idempotency_key)
        if await transaction.fetch(self._queries["take_key"], *key, new.request_digest, new.id):
            return
        ((digest, task_id, task_exists),) = await transaction.fetch(self._queries["key_of"], *key)
        if task_id == new.id:
            return
        if not task_exists:
            await transaction.fetch(self._queries["retake_key"], *key, new.request_digest, new.id, task_id)
        elif digest != new.request_digest:
            raise _Refused(KeyReused())
        else:
            (row,) = await transaction.fetch(self._queries["find"], task_id, *key[:2])
            raise _Refused(SubmittedBefore(rows.task(row)))

    async def _see_whether_it_is_there(self, transaction: Transaction, new: NewTask) -> None:
        found = await transaction.fetch(self._queries["find_any"], new.id)
        if not found:
            return
        task = rows.task(found[0])
        if (task.principal.tenant, task.principal.user) != (new.principal.tenant, new.principal.user):
            raise _Refused(NotStorable("the task's id is taken"))
        raise _Refused(Submitted(task))

    async def _enter_session(self, transaction: Transaction, new: NewTask) -> SubmitOutcome:
        there = {
            TaskStatus(row[1]): row[0] for row in await transaction.fetch(self._queries["open_tasks"], new.session_id)
        }
        blocked: TaskId | None = there.pop(TaskStatus.BLOCKED, None)
        occupant = next(iter(there.values()), None)
        interrupted: Task | None = None
        if new.on_busy is OnBusy.REJECT and (occupant or blocked):
            raise _Refused(Busy(occupant or blocked))  # pyright: ignore[reportArgumentType]
        if new.on_busy is OnBusy.INTERRUPT and occupant:
            # A claim may have come in between: what became of the task says the answer, not what it was.
            (row,) = await transaction.fetch(self._queries["cancel"], occupant, reasons.INTERRUPTED, True)
            (interrupted,) = await self._partial_output.keep(transaction, [rows.task(row)])
            if interrupted.status is not TaskStatus.RUNNING:
                drawing = OwnerTags(new.lane, new.priority, new.principal.tenant, new.principal.user)
                await self._wall.enqueue(transaction, [interrupted], [drawing])
                occupant = None
        if occupant is None and (blocked is None or new.on_busy is OnBusy.INTERRUPT):
            return Submitted(await self._insert(transaction, new, TaskStatus.QUEUED), interrupted)
        task = await self._insert(transaction, new, TaskStatus.BLOCKED)
        if occupant is None:
            # A crash left blocked tasks in a free session: this one waits behind them, and they go on now.
            await self._wall.release_next(transaction, [new.session_id])
        return Submitted(task, interrupted)

    async def _insert(self, transaction: Transaction, new: NewTask, status: TaskStatus) -> Task:
        columns = [column[0] for column in _columns([new])[:12]]
        direction = -1 if new.on_busy is OnBusy.INTERRUPT else 1
        (row,) = await transaction.fetch(self._queries["insert_task"], *columns, status.value, direction)
        return rows.task(row)


def _columns(tasks: Iterable[NewTask]) -> list[list[object]]:
    """One list a column, in the order of the parameters of `submit.sql`; `insert_task.sql` has the first twelve."""
    values = (
        (
            new.id,
            new.principal.tenant,
            new.principal.user,
            new.session_id,
            new.agent,
            new.version,
            new.lane,
            new.input,
            rows.limits_text(new.limits),
            new.metadata,
            new.priority,
            new.limits.queue_seconds,
            new.opens_session,
            new.idempotency_key,
            new.request_digest,
        )
        for new in tasks
    )
    return [list(column) for column in zip(*values, strict=True)]


def _queued(new: NewTask, created_at: datetime) -> Task:
    """The row that `submit.sql` has written, without reading it back."""
    at = created_at.timestamp()
    return Task(
        id=new.id,
        principal=rows.principal(new.principal.tenant, new.principal.user),
        session_id=new.session_id,
        agent=new.agent,
        version=new.version,
        input=new.input,
        limits=new.limits,
        metadata=new.metadata,
        priority=new.priority,
        status=TaskStatus.QUEUED,
        reason=None,
        output=None,
        error=None,
        usage=Usage(),
        attempt=0,
        failures=0,
        journal_length=0,
        changes=(StatusChange(_QUEUED_NUMBER, TaskStatus.QUEUED, None, at),),
        running_seconds=0,
        cancel_requested=False,
        created_at=at,
        started_at=None,
        ended_at=None,
    )
