"""Tasks and sessions as the API shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from roadworthy.core.insight.change_record import result_of
from roadworthy.domain.ids import SessionId, TaskId
from roadworthy.domain.session import Message, Session
from roadworthy.domain.task import Task, TaskStatus


def receipt(task: Task) -> dict[str, Any]:
    """What `202` says of a task that was taken in."""
    return {
        "id": str(task.id),
        "session_id": str(task.session_id),
        "agent": task.agent,
        "version": task.version,
        "status": task.status.value,
        "links": task_links(task.id, task.session_id),
    }


def task_shown(task: Task, now: float) -> dict[str, Any]:
    """`now` is in seconds since 1970."""
    return {
        "id": str(task.id),
        "session_id": str(task.session_id),
        "agent": task.agent,
        "version": task.version,
        "status": task.status.value,
        "reason": task.reason,
        "output": None,
        "error": None,
        **result_of(task),
        "tier": task.tier,
        "attempt": task.attempt,
        "generation": task.generation,
        "timings": _timings(task, now),
        "metadata": orjson.loads(task.metadata),
        "links": task_links(task.id, task.session_id),
    }


def session_shown(session: Session) -> dict[str, Any]:
    path = f"/v1/sessions/{session.id}"
    return {
        "id": str(session.id),
        "turns": session.turns,
        "created_at": moment(session.created_at),
        "updated_at": moment(session.updated_at),
        "links": {"self": path, "messages": f"{path}/messages", "tasks": f"/v1/tasks?session_id={session.id}"},
    }


def message_shown(message: Message) -> dict[str, Any]:
    return {
        "role": message.role,
        "content": message.content,
        "task_id": str(message.task_id),
        "at": moment(message.at),
    }


def task_links(task_id: TaskId, session_id: SessionId) -> dict[str, str]:
    path = f"/v1/tasks/{task_id}"
    return {
        "self": path,
        "events": f"{path}/events",
        "steps": f"{path}/steps",
        "cancel": f"{path}/cancel",
        "decisions": f"{path}/decisions",
        "session": f"/v1/sessions/{session_id}",
    }


def moment(at: float | None) -> str | None:
    """RFC 3339, UTC, milliseconds."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _timings(task: Task, now: float) -> dict[str, Any]:
    running = task.running_seconds
    if task.status is TaskStatus.RUNNING:
        running += max(now - task.changes[-1].at, 0)
    queued_until = next((at for at in (task.started_at, task.ended_at) if at is not None), now)
    return {
        "created_at": moment(task.created_at),
        "started_at": moment(task.started_at),
        "ended_at": moment(task.ended_at),
        "queued_seconds": round(max(queued_until - task.created_at, 0), 3),
        "running_seconds": round(running, 3),
    }
