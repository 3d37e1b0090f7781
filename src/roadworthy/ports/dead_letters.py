"""Dead tasks as operators see them, across all tenants, and what they do to them.

Every method raises NotAllowed for a principal without the scope `operator`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from roadworthy.domain.ids import TaskId
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Task


@dataclass(frozen=True, slots=True)
class DeadFilter:
    """Which dead tasks; None means any."""

    agent: str | None = None
    version: str | None = None
    code: str | None = None
    """Of the error that they died of."""
    tenant: str | None = None
    user: str | None = None
    since: float | None = None
    """They died then or later, in seconds since 1970."""
    until: float | None = None
    """They died before."""


@dataclass(frozen=True, slots=True)
class DeadCount:
    """How many died of the same in one lane."""

    agent: str
    version: str
    code: str
    count: int


@dataclass(frozen=True, slots=True)
class Resume:
    """How a dead task goes on."""

    task: Task
    """As it was seen: refused if it has changed since."""
    input: str
    limits: Limits
    version: str
    from_start: bool
    """In a new generation, with fresh running time."""
    reason: str
    detail: Mapping[str, Any]
    """Of the action that is recorded."""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Discard:
    """A dead task is given up."""

    task: Task
    """As it was seen: refused if it has changed since."""
    reason: str
    detail: Mapping[str, Any]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Resumed:
    """The task is queued, or blocked behind others of its session."""

    task: Task
    released: Task | None
    """A task of its session that had been left blocked although the session was free, now queued."""
    served: bool
    """A live worker takes tasks of its lane."""


@dataclass(frozen=True, slots=True)
class Discarded:
    task: Task


@dataclass(frozen=True, slots=True)
class ChangedMeanwhile:
    """Nothing was written: the task is no longer as it was seen. This is it now."""

    task: Task


class DeadLetters(Protocol):
    async def list(
        self,
        operator: Principal,
        filter: DeadFilter,
        limit: int = 50,
        beyond: TaskId | None = None,
        *,
        oldest_first: bool = False,
    ) -> Sequence[Task]:
        """Tasks that are dead now, newest first unless asked otherwise; `beyond` is the last of the page before."""
        ...

    async def count(self, operator: Principal, filter: DeadFilter) -> Sequence[DeadCount]:
        """How many there are, the most frequent first."""
        ...

    async def find(self, operator: Principal, task_id: TaskId) -> Task:
        """Any task of anybody, whether it is dead or not; NotFound where there is none."""
        ...

    async def resume(self, operator: Principal, resume: Resume) -> Resumed | ChangedMeanwhile:
        """Queue a dead task, or block it behind those that its session has now; record who did it.

        It has no failures and fresh time to wait. NotFound if it was deleted. Of several at once one is carried out.
        """
        ...

    async def discard(self, operator: Principal, discard: Discard) -> Discarded | ChangedMeanwhile:
        """Give a dead task up for good; record who did it. NotFound if it was deleted."""
        ...
