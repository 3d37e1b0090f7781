"""A task's row: what the store knows of it, also what nobody else is told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from uuid import UUID

import orjson

from roadworthy.domain.decision import Decision
from roadworthy.domain.event import changed_number
from roadworthy.domain.grade import Grade
from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import JournalEntry, text_of
from roadworthy.domain.principal import Principal
from roadworthy.domain.route import Tier
from roadworthy.domain.task import (
    LIFE_ENDS,
    Fence,
    NewTask,
    StatusChange,
    Task,
    TaskStatus,
    Usage,
    check_transition,
)

INTERRUPTED = "a newer message of its session interrupted it"


@dataclass(slots=True)
class TaskRow:
    new: NewTask
    created_at: float
    waits_since: float
    """When it was made, queued again or parked: its time to expire counts from here."""
    status: TaskStatus
    interrupts: bool = False
    """It was submitted to go before the other blocked tasks of its session."""
    reason: str | None = None
    output: bytes | None = None
    error: bytes | None = None
    usage: Usage = field(default_factory=Usage)
    attempt: int = 0
    claim_token: UUID | None = None
    """Of the last claim, also after that attempt was settled; None once the task was taken away from it."""
    worker_id: UUID | None = None
    failures: int = 0
    losses: int = 0
    """How often it was lost with its worker since its journal grew last."""
    journal: list[JournalEntry] = field(default_factory=list[JournalEntry])
    changes: list[StatusChange] = field(default_factory=list[StatusChange])
    running_seconds: float = 0
    cancel_requested: bool = False
    started_at: float | None = None
    ended_at: float | None = None
    run_after: float | None = None
    """While it is queued and may not be claimed yet."""
    ready_since: float = 0
    """When it was queued, or its pause was over."""
    fair_tag: int = 0
    generation: int = 0
    tier: Tier | None = None
    grades: dict[str, Grade] = field(default_factory=dict[str, Grade])
    """By source."""
    decisions: list[Decision] = field(default_factory=list[Decision])
    decided_attempt: int | None = None
    """The attempt under which somebody decided last while it ran: if it means to wait, it goes on instead."""
    place: int = 0
    """Among the blocked tasks of its session that do not interrupt: the lowest is released first."""

    @property
    def id(self) -> TaskId:
        return self.new.id

    @property
    def lane(self) -> str:
        return self.new.lane

    @property
    def claimable(self) -> bool:
        return self.status is TaskStatus.QUEUED and self.run_after is None

    @property
    def error_code(self) -> str | None:
        return None if self.error is None else json.loads(self.error).get("code")

    @property
    def interrupted(self) -> bool:
        """It runs on, and is to end for a newer message."""
        return self.cancel_requested and self.reason == INTERRUPTED

    def belongs_to(self, principal: Principal) -> bool:
        return owns(principal, self.new.principal)

    def holds(self, fence: Fence) -> bool:
        """Whether the fence is that of the last claim and the task was not taken away since."""
        return self.attempt == fence.attempt and self.claim_token == fence.claim_token

    def keep_partial_output(self) -> None:
        """The last text of its journal becomes the answer of a task that no worker ends."""
        if self.output is None:
            for entry in reversed(self.journal):
                if entry.generation == self.generation and (text := text_of(entry.detail)):
                    self.output = orjson.dumps(text)
                    return

    def change(self, status: TaskStatus, reason: str | None, at: float) -> None:
        """IllegalTransition if the task cannot become that. Only by `MemoryDatabase`, which keeps an index."""
        check_transition(self.status, status)
        self.status = status
        self.record_change(reason, at)

    def record_change(self, reason: str | None, at: float) -> None:
        number = changed_number(len(self.journal), self.attempt, len(self.changes), self.status)
        self.changes.append(StatusChange(number, self.status, reason, at))
        self.reason = reason
        self.ended_at = at if self.status in LIFE_ENDS else None

    def task(self) -> Task:
        new = self.new
        return Task(
            id=new.id,
            principal=new.principal,
            session_id=new.session_id,
            agent=new.agent,
            version=new.version,
            input=new.input,
            limits=new.limits,
            metadata=new.metadata,
            priority=new.priority,
            status=self.status,
            reason=self.reason,
            output=self.output,
            error=self.error,
            usage=self.usage,
            attempt=self.attempt,
            failures=self.failures,
            journal_length=len(self.journal),
            changes=tuple(self.changes),
            running_seconds=self.running_seconds,
            cancel_requested=self.cancel_requested,
            created_at=self.created_at,
            started_at=self.started_at,
            ended_at=self.ended_at,
            generation=self.generation,
            tier=self.tier,
        )


def owns(principal: Principal, owner: Principal) -> bool:
    return (principal.tenant, principal.user) == (owner.tenant, owner.user)
