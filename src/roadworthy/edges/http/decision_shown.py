"""Calls that wait for a person, and what was decided about them, as the API shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from roadworthy.core.insight.pending import WaitingTask
from roadworthy.domain.decision import FITTING
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.edges.http.shown import moment, task_links
from roadworthy.ports.decisions import Decided


def call_shown(call: Mapping[str, Any]) -> dict[str, Any]:
    """One of a task's `waiting_for`, and which answers it takes."""
    times = {name: moment(call[name]) for name in ("since", "opens_at")}
    return {**call, **times, "decisions": sorted(FITTING[call["about"]])}


def waits_shown(task: Task, calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a task waits for, and until when it does so."""
    waits = task.status is TaskStatus.WAITING
    return {
        "waiting_for": [call_shown(call) for call in calls],
        "expires_at": moment(task.changes[-1].at + task.limits.waiting_seconds) if waits else None,
    }


def waiting_shown(waiting: WaitingTask) -> dict[str, Any]:
    """Somebody's task, for an operator who decides."""
    task = waiting.task
    return {
        "id": str(task.id),
        "session_id": str(task.session_id),
        "agent": task.agent,
        "version": task.version,
        "tenant": task.principal.tenant,
        "user": task.principal.user,
        "status": task.status.value,
        "reason": task.reason,
        "input": task.input,
        **waits_shown(task, waiting.waiting_for),
        "links": task_links(task.id, task.session_id),
    }


def decided_shown(decided: Decided) -> dict[str, Any]:
    """The decision, and what the task does now."""
    decision, task = decided.decision, decided.task
    return {
        "task_id": str(task.id),
        "call_id": decision.call_id,
        "decision": decision.verdict.value,
        "value": None if decision.value is None else orjson.loads(decision.value),
        "note": decision.note,
        "by": {"tenant": decision.by_tenant, "user": decision.by_user},
        "at": moment(decision.at),
        "status": task.status.value,
        "links": task_links(task.id, task.session_id),
    }
