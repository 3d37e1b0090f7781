"""What operators may ask about dead tasks: which there are, and everything that led to one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from roadworthy.core.insight.effects import DoneEffect, EffectOf, effects_of
from roadworthy.core.insight.failed_step import FailedStep, failed_step
from roadworthy.core.insight.page import Page, cursor_after, id_of_cursor
from roadworthy.core.insight.steps import steps_of
from roadworthy.domain.errors import NotDead
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import EntryKind, JournalEntry, usage_of
from roadworthy.domain.operator_action import OperatorAction
from roadworthy.domain.principal import Principal
from roadworthy.domain.session import Message
from roadworthy.domain.task import OPEN, Task, TaskStatus, Usage
from roadworthy.ports.dead_letters import DeadCount, DeadFilter, DeadLetters
from roadworthy.ports.journal import Journal
from roadworthy.ports.operator_actions import OperatorActions
from roadworthy.ports.session_store import SessionStore

MOST_ACTIONS = 200
_WAITED_FOR = {
    TaskStatus.WAITING: "resume it again, with more time (--limit waiting_seconds=SECONDS), and decide then: "
    "`roadworthy decide` shows what it waits for",
    TaskStatus.BLOCKED: "resume it again once its session is free",
}
EffectOfTask = Callable[[Task], EffectOf]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A task that is dead or was, with all that an operator needs to decide."""

    task: Task
    failed: FailedStep | None
    """Where it stopped; None where it is dead no longer."""
    advice: str | None
    history: Sequence[Message]
    """What was said in its session before it."""
    steps: Sequence[dict[str, Any]]
    """Of all generations, as `steps_of` gives them; the failed one is among them, also if it left nothing."""
    effects: Sequence[DoneEffect]
    usage: Sequence[Usage]
    """Of each generation."""
    actions: Sequence[OperatorAction]
    """Newest first."""


class DeadLetterReader:
    """Every method raises NotAllowed without the scope `operator`, and StoreUnavailable."""

    def __init__(
        self, dead_letters: DeadLetters, actions: OperatorActions, journal: Journal, sessions: SessionStore
    ) -> None:
        self._dead_letters = dead_letters
        self._actions = actions
        self._journal = journal
        self._sessions = sessions

    async def list(self, operator: Principal, filter: DeadFilter, limit: int, cursor: str | None = None) -> Page[Task]:
        """Newest first. IllegalCursor for a cursor that no page gave."""
        beyond = None if cursor is None else id_of_cursor(cursor)
        tasks = await self._dead_letters.list(operator, filter, limit, beyond)
        return Page(tasks, cursor_after(tasks[-1].id) if len(tasks) == limit else None)

    async def count(self, operator: Principal, filter: DeadFilter) -> Sequence[DeadCount]:
        """The most frequent first."""
        return await self._dead_letters.count(operator, filter)

    async def find(self, operator: Principal, task_id: TaskId, effect_of: EffectOfTask) -> DeadLetter:
        """NotFound; NotDead for a task that never was dead, saying what it is and where to look."""
        task = await self._dead_letters.find(operator, task_id)
        if not any(change.status is TaskStatus.DEAD for change in task.changes):
            raise never_dead(task)
        entries = await self._journal.read(task.principal, task.id)
        messages = await self._sessions.messages(task.principal, task.session_id)
        actions = await self._actions.list(operator, task.id, MOST_ACTIONS)
        return dead_letter(task, entries, messages, actions, effect_of(task))

    async def actions(
        self, operator: Principal, task_id: TaskId | None, limit: int, cursor: str | None = None
    ) -> Page[OperatorAction]:
        """What operators did, newest first. IllegalCursor for a cursor that no page gave."""
        before = None if cursor is None else id_of_cursor(cursor)
        actions = await self._actions.list(operator, task_id, limit, before)
        return Page(actions, cursor_after(actions[-1].id) if len(actions) == limit else None)


def never_dead(task: Task) -> NotDead:
    """What it is instead, and where to look."""
    because = f": {task.reason}" if task.reason else ""
    if task.status is TaskStatus.WAITING:
        where = f"`roadworthy decide {task.id}` shows what it waits for"
    elif task.status in OPEN:
        where = f"`roadworthy queue` shows its lane, {task.lane}"
    else:
        where = f"look at GET /v1/tasks/{task.id}"
    of = f"{task.principal.tenant}/{task.principal.user}"
    return NotDead(f"it is {task.status}{because}; it never was dead; {where} (it is a task of {of})")


def dead_letter(
    task: Task,
    entries: Sequence[JournalEntry],
    messages: Sequence[Message],
    actions: Sequence[OperatorAction],
    effect_of: EffectOf,
) -> DeadLetter:
    """Put together from what the store has. No I/O."""
    steps = steps_of(entries)
    effects = effects_of(steps, effect_of)
    failed = failed_step(task, steps) if task.status in (TaskStatus.DEAD, TaskStatus.DISCARDED) else None
    return DeadLetter(
        task=task,
        failed=failed,
        advice=_advice(task),
        history=_before(task, entries, messages),
        steps=_marked(steps, failed),
        effects=effects,
        usage=[usage_of(e for e in entries if e.generation == each) for each in range(task.generation + 1)],
        actions=actions,
    )


def _advice(task: Task) -> str | None:
    code = orjson.loads(task.error).get("code") if task.error else None
    if code == FailureClass.WAITED_TOO_LONG and (advice := _WAITED_FOR.get(_last_before_its_end(task))):
        return advice
    return FailureClass(code).treatment.advice if code in FailureClass.__members__.values() else None


def _last_before_its_end(task: Task) -> TaskStatus:
    ends = (TaskStatus.DEAD, TaskStatus.DISCARDED)
    return next((change.status for change in reversed(task.changes) if change.status not in ends), task.status)


def _before(task: Task, entries: Sequence[JournalEntry], messages: Sequence[Message]) -> list[Message]:
    """Messages of turns that were there when the present generation began: their answers had been given."""
    begun = [e.at for e in entries if e.kind is EntryKind.INPUT and e.generation == task.generation]
    until = begun[0] if begun else task.changes[-1].at
    turns = {message.task_id for message in messages if message.role == "assistant" and message.at <= until}
    return [message for message in messages if message.task_id in turns - {task.id}]


def _marked(steps: list[dict[str, Any]], failed: FailedStep | None) -> list[dict[str, Any]]:
    """Each with `failed`; where nothing of the failed step is in the journal, it is added."""
    place = None if failed is None else (failed.generation, failed.step)
    if failed is not None and not any((step["generation"], step["step"]) == place for step in steps):
        steps = [*steps, {"generation": failed.generation, "step": failed.step, "tool_calls": []}]
    return [step | {"failed": (step["generation"], step["step"]) == place} for step in steps]
