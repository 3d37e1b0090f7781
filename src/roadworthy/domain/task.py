"""A task: one request to one agent, from `202` to an end that somebody can see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from roadworthy.domain.errors import IllegalTransition
from roadworthy.domain.ids import SessionId, TaskId
from roadworthy.domain.limits import Limits
from roadworthy.domain.money import MicroDollars
from roadworthy.domain.principal import Principal
from roadworthy.domain.route import Tier


class TaskStatus(StrEnum):
    BLOCKED = "blocked"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DEAD = "dead"
    DISCARDED = "discarded"


_S = TaskStatus

TRANSITIONS: Mapping[TaskStatus, frozenset[TaskStatus]] = {
    _S.BLOCKED: frozenset({_S.QUEUED, _S.CANCELLED, _S.EXPIRED, _S.DEAD}),
    _S.QUEUED: frozenset({_S.RUNNING, _S.CANCELLED, _S.EXPIRED, _S.DEAD}),
    _S.RUNNING: frozenset({_S.SUCCEEDED, _S.PARTIAL, _S.CANCELLED, _S.DEAD, _S.WAITING, _S.QUEUED}),
    _S.WAITING: frozenset({_S.QUEUED, _S.CANCELLED, _S.EXPIRED, _S.DEAD}),
    _S.DEAD: frozenset({_S.QUEUED, _S.BLOCKED, _S.DISCARDED}),
    _S.SUCCEEDED: frozenset(),
    _S.PARTIAL: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.DISCARDED: frozenset(),
}

OCCUPYING = frozenset({_S.QUEUED, _S.RUNNING, _S.WAITING})
"""States in which a task holds its session: at most one task a session is in any of them."""

OPEN = OCCUPYING | {_S.BLOCKED}
"""States from which a task goes on by itself or by a decision."""

LIFE_ENDS = frozenset(_S) - OPEN
"""States that end one life of a task: the event stream closes with `done`."""


def check_transition(before: TaskStatus, after: TaskStatus) -> None:
    """IllegalTransition unless a task may go from `before` to `after`."""
    if after not in TRANSITIONS[before]:
        raise IllegalTransition(f"a task that is {before} cannot become {after}")


class OnBusy(StrEnum):
    """What a submit wants when its session already has a task."""

    QUEUE = "queue"
    REJECT = "reject"
    INTERRUPT = "interrupt"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a task has used so far."""

    cost: MicroDollars = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    steps: int = 0
    cache_write_tokens: int = 0
    cached_calls: int = 0
    """Of the model calls, those that one of our caches answered."""
    saved: MicroDollars = 0
    """What caches made cheaper, our own and providers' prompt caches; below zero where those were written to and hardly
    read."""
    semantic_calls: int = 0
    """Of the cached calls, those whose question was another one and meant the same."""

    @classmethod
    def of(cls, kept: Mapping[str, int]) -> Usage:
        """From what was kept of it, also by another release, which may count more kinds or fewer."""
        try:
            return cls(**kept)
        except TypeError:
            return cls(**{name: kept[name] for name in cls.__slots__ if name in kept})

    @property
    def calls(self) -> int:
        """Rises with all that counts: of two totals of one task the one with more calls is the later one."""
        return self.model_calls + self.tool_calls

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.cost + other.cost,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.model_calls + other.model_calls,
            self.tool_calls + other.tool_calls,
            self.steps + other.steps,
            self.cache_write_tokens + other.cache_write_tokens,
            self.cached_calls + other.cached_calls,
            self.saved + other.saved,
            self.semantic_calls + other.semantic_calls,
        )


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One change of status, as kept with the task and sent to clients."""

    number: int
    """Its event number (`domain/event.py`)."""
    status: TaskStatus
    reason: str | None
    at: float
    """Seconds since 1970, by the store's clock."""


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task as intake hands it to the store."""

    id: TaskId
    principal: Principal
    session_id: SessionId
    opens_session: bool
    """True where the session is new and made together with the task."""
    agent: str
    version: str
    input: str
    limits: Limits
    metadata: bytes = b"{}"
    """JSON object, kept as it came."""
    priority: int = 0
    """0 to 9; higher goes first."""
    on_busy: OnBusy = OnBusy.QUEUE
    idempotency_key: str | None = None
    request_digest: bytes = b""
    """Of the whole request: the same key with another digest is refused."""

    @property
    def lane(self) -> str:
        return lane_of(self.agent, self.version)


@dataclass(frozen=True, slots=True)
class Task:
    """A task as the store knows it."""

    id: TaskId
    principal: Principal
    session_id: SessionId
    agent: str
    version: str
    input: str
    limits: Limits
    metadata: bytes
    priority: int
    status: TaskStatus
    reason: str | None
    output: bytes | None
    """JSON, once there is an answer, also a partial one."""
    error: bytes | None
    """JSON object `{code, message}`, where the task did not succeed."""
    usage: Usage
    attempt: int
    """How often it was claimed."""
    failures: int
    """Failures since the journal last grew."""
    journal_length: int
    changes: tuple[StatusChange, ...]
    running_seconds: float
    """Over all finished attempts of this generation."""
    cancel_requested: bool
    created_at: float
    started_at: float | None
    ended_at: float | None
    generation: int = 0
    """How often it was started over: journal entries of earlier generations are kept and not replayed."""
    tier: Tier | None = None
    """Whose models answered it; None until an attempt of it was settled, and where its service has none to choose."""

    @property
    def lane(self) -> str:
        return lane_of(self.agent, self.version)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A task together with the right to write for it, until a newer attempt exists."""

    task: Task
    claim_token: UUID
    turns: int
    """How many finished turns its session had when it was claimed."""
    tier: Tier | None = None
    """What its session holds since its first task was routed."""

    @property
    def fence(self) -> Fence:
        return Fence(self.task.id, self.task.attempt, self.claim_token)


@dataclass(frozen=True, slots=True)
class Fence:
    """What every write of a worker shows; the store refuses it once a newer attempt exists."""

    task_id: TaskId
    attempt: int
    claim_token: UUID


@dataclass(frozen=True, slots=True)
class Turn:
    """The messages that one task added to its session, in its framework's own encoding."""

    framework: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Settlement:
    """How one attempt ended. The store writes all of it at once or nothing."""

    fence: Fence
    session_id: SessionId
    status: TaskStatus
    reason: str | None = None
    output: bytes | None = None
    error: bytes | None = None
    usage: Usage | None = None
    """None leaves what is known of it."""
    turn: Turn | None = None
    run_after_seconds: float = 0
    """For a task that goes back to `queued`: when it may be claimed again."""
    counts_as_failure: bool = False
    running_seconds: float = 0
    tier: Tier | None = None
    """Whose models answered it; None leaves what is known of it."""
    session_tier: Tier | None = None
    """What its session holds from its end on, where it holds none yet."""


def lane_of(agent: str, version: str) -> str:
    """The queue that tasks of this version of this agent wait in."""
    return f"{agent}@{version}"
