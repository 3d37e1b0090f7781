"""What tasks wait for people to decide, with all that is needed to decide it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from roadworthy.core.insight.page import Page, cursor_after, id_of_cursor
from roadworthy.domain.decision import FITTING, Decision, PendingCall, pending_calls, standing
from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import JournalEntry
from roadworthy.domain.principal import Principal
from roadworthy.domain.service import ToolPolicy
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.ports.decisions import Decisions
from roadworthy.ports.journal import Journal


@dataclass(frozen=True, slots=True)
class WaitingTask:
    task: Task
    waiting_for: Sequence[dict[str, Any]]
    """As `PendingReader.of_task` gives it; empty where the task waits for other code."""


class PendingReader:
    """Every method raises StoreUnavailable."""

    def __init__(self, decisions: Decisions, journal: Journal, lease_seconds: float) -> None:
        self._decisions = decisions
        self._journal = journal
        self._lease_seconds = lease_seconds

    async def of_task(self, task: Task) -> list[dict[str, Any]]:
        """`[{call_id, about, tool, arguments, since, attempt, words, error, idempotency_key, opens_at}]`, in the
        order of the calls: `waiting_for` of a task that waits, nothing for any other. The task must be one that its
        reader may see.

        `idempotency_key` is what the service was given with a call that was started; None for any other. `opens_at` is
        when a call about whose effect nobody is certain may be decided first; None: now.
        """
        if task.status is not TaskStatus.WAITING:
            return []
        entries = await self._journal.read(task.principal, task.id)
        decisions = await self._decisions.of_task(task.principal, task.id)
        return [call_shown(call, self._lease_seconds) for call in undecided_calls(task, entries, decisions)]

    async def of_any(self, operator: Principal, task_id: TaskId) -> WaitingTask:
        """Of anybody's task. NotFound, and NotAllowed without the scope `operator`."""
        task = await self._decisions.find_any(operator, task_id)
        return WaitingTask(task, await self.of_task(task))

    async def of_all(self, operator: Principal, limit: int, cursor: str | None = None) -> Page[WaitingTask]:
        """Everybody's tasks that wait, oldest first. NotAllowed without the scope `operator`; IllegalCursor."""
        beyond: TaskId | None = None if cursor is None else id_of_cursor(cursor)
        tasks = await self._decisions.waiting(operator, limit, beyond)
        waiting = [WaitingTask(task, await self.of_task(task)) for task in tasks]
        return Page(waiting, cursor_after(tasks[-1].id) if len(tasks) == limit else None)


def undecided_calls(
    task: Task, entries: Iterable[JournalEntry], decisions: Iterable[Decision]
) -> Sequence[PendingCall]:
    """Those of its present generation that nobody has decided yet."""
    decided = standing(decisions, task.generation)
    return [
        call for call in pending_calls(entries, task.generation) if not _is_decided(call, decided.get(call.call_id))
    ]


def opens_at(call: PendingCall, lease_seconds: float) -> float | None:
    """From when on its effect may be decided: before that a process that was stopped may wake up and make the call."""
    if call.about != "effect":
        return None
    # Calls that an earlier release started do not say how long they may take.
    return call.since + call.detail.get("seconds", ToolPolicy().seconds) + lease_seconds


def call_shown(call: PendingCall, lease_seconds: float) -> dict[str, Any]:
    return {
        "call_id": call.call_id,
        "about": call.about,
        "tool": call.tool,
        "arguments": call.arguments,
        "since": call.since,
        "attempt": call.attempt,
        "words": call.detail.get("words"),
        "error": call.detail.get("error"),
        "idempotency_key": call.detail.get("key"),
        "opens_at": opens_at(call, lease_seconds),
    }


def _is_decided(call: PendingCall, decision: Decision | None) -> bool:
    return decision is not None and decision.verdict in FITTING[call.about]
