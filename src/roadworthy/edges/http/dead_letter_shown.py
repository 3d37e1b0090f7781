"""Dead tasks and what operators did to them, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson

from roadworthy.core.insight.change_record import usage_shown
from roadworthy.core.insight.dead_letters import DeadLetter
from roadworthy.core.insight.effects import DoneEffect
from roadworthy.core.operations.dead_tasks import Batch, Done
from roadworthy.domain.errors import StoreUnavailable
from roadworthy.domain.operator_action import OperatorAction
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.edges.http.shown import message_shown, moment, task_links
from roadworthy.ports.dead_letters import DeadCount

_MOST_OF_AN_INPUT = 200


def letter_line(task: Task) -> dict[str, Any]:
    """One line of the list."""
    cut = len(task.input) > _MOST_OF_AN_INPUT
    return {
        "id": str(task.id),
        "session_id": str(task.session_id),
        "agent": task.agent,
        "version": task.version,
        "tenant": task.principal.tenant,
        "user": task.principal.user,
        "status": task.status.value,
        "died_at": _died_at(task),
        "reason": task.reason,
        "error": orjson.loads(task.error) if task.error else None,
        "input": f"{task.input[:_MOST_OF_AN_INPUT]}…" if cut else task.input,
        "attempt": task.attempt,
        "generation": task.generation,
        "links": _links(task),
    }


def counts_shown(counts: Sequence[DeadCount]) -> dict[str, Any]:
    return {"total": sum(each.count for each in counts), "by": [asdict(each) for each in counts]}


def letter_shown(letter: DeadLetter) -> dict[str, Any]:
    """Everything about one of them."""
    task, failed = letter.task, letter.failed
    return {
        **letter_line(task),
        "input": task.input,
        "output": orjson.loads(task.output) if task.output else None,
        "metadata": orjson.loads(task.metadata),
        "limits": asdict(task.limits),
        "failures": task.failures,
        "running_seconds": round(task.running_seconds, 3),
        "created_at": moment(task.created_at),
        "failed_step": None if failed is None else asdict(failed),
        "advice": letter.advice,
        "history": [message_shown(message) for message in letter.history],
        "steps": [step | {"at": moment(step.get("at"))} for step in letter.steps],
        "effects": [effect_shown(effect) for effect in letter.effects],
        "usage": usage_shown(task.usage),
        "usage_by_generation": [usage_shown(usage) for usage in letter.usage],
        "changes": [
            {"status": change.status.value, "reason": change.reason, "at": moment(change.at)} for change in task.changes
        ],
        "actions": [action_shown(action) for action in letter.actions],
    }


def effect_shown(effect: object) -> dict[str, Any]:
    assert isinstance(effect, DoneEffect)  # noqa: S101
    return asdict(effect)


def action_shown(action: OperatorAction) -> dict[str, Any]:
    target = action.target
    return {
        "id": str(action.id),
        "at": moment(action.at),
        "tenant": action.operator.tenant,
        "operator": action.operator.user,
        "action": action.kind.value,
        "task_id": None if target.task_id is None else str(target.task_id),
        "lane": target.lane,
        "detail": dict(target.detail),
        "note": action.note,
    }


def done_shown(done: Done) -> dict[str, Any]:
    """A task that was resumed or discarded, as it is now."""
    task = done.task
    return {
        "id": str(task.id),
        "session_id": str(task.session_id),
        "agent": task.agent,
        "version": task.version,
        "status": task.status.value,
        "reason": task.reason,
        "generation": task.generation,
        "notices": list(done.notices),
        "links": _links(task),
    }


def batch_shown(batch: Batch, did: str, dry_run: bool) -> dict[str, Any]:
    """What became of each task: `did`, `refused` with the problem, or `unknown` where the store went away."""
    return {
        "tasks": [_one_of_many(done, f"would be {did}" if dry_run else did) for done in batch.done],
        "next_cursor": batch.next_cursor,
        "interrupted": batch.interrupted,
        "dry_run": dry_run,
    }


def _one_of_many(done: Done, did: str) -> dict[str, Any]:
    shown = {**done_shown(done), "outcome": did}
    if done.problem is not None:
        shown["outcome"] = "unknown" if isinstance(done.problem, StoreUnavailable) else "refused"
        shown["problem"] = {"code": done.problem.code, "detail": done.problem.message}
    return shown


def _died_at(task: Task) -> str | None:
    deaths = [change.at for change in task.changes if change.status is TaskStatus.DEAD]
    return moment(deaths[-1]) if deaths else None


def _links(task: Task) -> dict[str, str]:
    path = f"/v1/operator/dead/{task.id}"
    return {
        "self": path,
        "resume": f"{path}/resume",
        "discard": f"{path}/discard",
        "task": task_links(task.id, task.session_id)["self"],
    }
