"""A session: one conversation, in which one task runs at a time."""

from dataclasses import dataclass

from roadworthy.domain.ids import SessionId, TaskId
from roadworthy.domain.principal import Principal


@dataclass(frozen=True, slots=True)
class Session:
    id: SessionId
    principal: Principal
    turns: int
    """Finished turns."""
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Message:
    """One message as people read it."""

    role: str
    """`user` or `assistant`."""
    content: object
    """Text, or the JSON that an agent with an output type returned."""
    task_id: TaskId
    at: float
