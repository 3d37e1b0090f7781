"""Where tasks live: the only truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from roadworthy.domain.ids import SessionId, TaskId
from roadworthy.domain.journal import NotStorable
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Claimed, NewTask, Settlement, Task, TaskStatus


@dataclass(frozen=True, slots=True)
class Submitted:
    """The task is committed. `interrupted` is the one that it cancelled: still running, or ended at once. Both are as
    they are now."""

    task: Task
    interrupted: Task | None = None


@dataclass(frozen=True, slots=True)
class SubmittedBefore:
    """The idempotency key was used before for the same request: this is that task."""

    task: Task


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The idempotency key was used before for another request."""


@dataclass(frozen=True, slots=True)
class Busy:
    """`on_busy="reject"` met a task."""

    task_id: TaskId


@dataclass(frozen=True, slots=True)
class NoSuchSession:
    """The session is not there, or not the principal's."""


SubmitOutcome = Submitted | SubmittedBefore | KeyReused | Busy | NoSuchSession | NotStorable


@dataclass(frozen=True, slots=True)
class Changed:
    """A task whose status was changed in the store, as it is after that."""

    task: Task


@dataclass(frozen=True, slots=True)
class Settled:
    """The settlement is committed.

    `task` is as it is now: `cancelled` although something else was asked, if a cancel came first. `released` is
    the session's next task, now `queued`.
    """

    task: Task
    released: Task | None = None


@dataclass(frozen=True, slots=True)
class SettleRefused:
    """Nothing was written: a newer attempt owns the task, or it is no longer running."""


@dataclass(frozen=True, slots=True)
class TaskFilter:
    status: TaskStatus | None = None
    session_id: SessionId | None = None
    agent: str | None = None
    limit: int = 50
    """1 to 200."""
    before: TaskId | None = None
    """Only tasks made before this one: the last of the page before."""


class TaskStore(Protocol):
    async def submit(self, tasks: Sequence[NewTask]) -> list[SubmitOutcome]:
        """Commit new tasks; one outcome a task, in their order. One that can't be stored fails alone.

        Submitting the same id again after a lost acknowledgement answers `Submitted` again.
        """
        ...

    async def submitted_before(
        self, principal: Principal, idempotency_key: str, request_digest: bytes
    ) -> SubmittedBefore | KeyReused | None:
        """What `submit` would answer if the principal had used the key; None if not. Changes nothing."""
        ...

    async def claim(self, worker_id: UUID, lanes: Sequence[str], limit: int) -> list[Claimed]:
        """Give the worker up to `limit` queued tasks of its lanes: priority, then fairness, then age.

        Nothing for a worker whose lease ran out, nor from a lane that it continues while a worker of that version
        takes tasks. Each claim counts an attempt and makes a new claim token. A queued task is never claimed by two.
        """
        ...

    async def claimed_by(self, worker_id: UUID, known: Sequence[TaskId]) -> list[Claimed]:
        """What the worker holds besides the tasks it knows of: claims whose answer it never got.

        Changes nothing; a task that it has just been claiming may be among them.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settled | SettleRefused]:
        """End attempts: status, result, usage, messages, and the release of the session's next task at once.

        A requested cancel wins over every other end (the output is kept). Repeating a settlement whose
        acknowledgement was lost answers `Settled` again.
        """
        ...

    async def cancel(self, principal: Principal, task_id: TaskId) -> list[Changed]:
        """Durably ask for the end of a task; the first one returned is the task itself.

        One that does not run ends at once (its session's next task is released and returned too); a running one
        keeps the request until its worker or the rescue sees it. An ended task is left as it is. NotFound if it
        is not the principal's.
        """
        ...

    async def find(self, principal: Principal, task_id: TaskId) -> Task:
        """NotFound if it isn't there or isn't the principal's."""
        ...

    async def list(self, principal: Principal, filter: TaskFilter) -> list[Task]:
        """Newest first."""
        ...

    async def positions(self, task_ids: Sequence[TaskId]) -> dict[TaskId, tuple[int, int, bool]]:
        """(journal length, changes, a life has ended) of each task that exists: for readers of event streams,
        who were authorised before."""
        ...

    async def ping(self) -> None:
        """StoreUnavailable if the store does not answer."""
        ...
