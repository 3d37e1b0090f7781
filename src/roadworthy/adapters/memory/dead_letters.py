"""Dead tasks in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.task_row import TaskRow
from roadworthy.domain.errors import NotFound
from roadworthy.domain.ids import TaskId
from roadworthy.domain.operator_action import ActionKind, ActionTarget
from roadworthy.domain.principal import Principal, check_operator
from roadworthy.domain.task import OPEN, Task, TaskStatus
from roadworthy.ports.dead_letters import (
    ChangedMeanwhile,
    DeadCount,
    DeadFilter,
    Discard,
    Discarded,
    Resume,
    Resumed,
)


class MemoryDeadLetters:
    """A `DeadLetters` over a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def list(
        self,
        operator: Principal,
        filter: DeadFilter,
        limit: int = 50,
        beyond: TaskId | None = None,
        *,
        oldest_first: bool = False,
    ) -> Sequence[Task]:
        check_operator(operator)

        def page() -> list[Task]:
            rows = self._matching(filter)
            if oldest_first:
                rows = [row for row in rows if beyond is None or row.id > beyond]
            else:
                rows = [row for row in reversed(rows) if beyond is None or row.id < beyond]
            return [row.task() for row in rows[:limit]]

        return await self._database.run("dead_letters.list", page)

    async def count(self, operator: Principal, filter: DeadFilter) -> Sequence[DeadCount]:
        check_operator(operator)

        def count() -> list[DeadCount]:
            counted = Counter((row.new.agent, row.new.version, _code(row)) for row in self._matching(filter))
            counts = [DeadCount(*died_of, count) for died_of, count in counted.items()]
            return sorted(counts, key=lambda each: (-each.count, each.agent, each.version, each.code))

        return await self._database.run("dead_letters.count", count)

    async def find(self, operator: Principal, task_id: TaskId) -> Task:
        check_operator(operator)

        return await self._database.run("dead_letters.find", lambda: self._row(task_id).task())

    async def resume(self, operator: Principal, resume: Resume) -> Resumed | ChangedMeanwhile:
        check_operator(operator)
        return await self._database.run("dead_letters.resume", lambda: self._resume(operator, resume))

    async def discard(self, operator: Principal, discard: Discard) -> Discarded | ChangedMeanwhile:
        check_operator(operator)
        return await self._database.run("dead_letters.discard", lambda: self._discard(operator, discard))

    def _resume(self, operator: Principal, resume: Resume) -> Resumed | ChangedMeanwhile:
        database, row = self._database, self._row(resume.task.id)
        if _has_changed(row, resume.task):
            return ChangedMeanwhile(row.task())
        row.new = replace(row.new, input=resume.input, limits=resume.limits, version=resume.version)
        row.failures, row.losses = 0, 0
        row.error, row.claim_token, row.cancel_requested = None, None, False
        row.interrupts, row.place = False, database.next_place()
        if resume.from_start:
            row.generation += 1
            row.running_seconds, row.output = 0, None
        others = database.tasks_of_session(row.new.session_id, OPEN)
        database.change(row, TaskStatus.BLOCKED if others else TaskStatus.QUEUED, resume.reason)
        released = database.release_next(row.new.session_id)
        target = ActionTarget(resume.detail, row.id, row.lane)
        database.record_actions(operator, ActionKind.RESUME, [target], resume.note)
        return Resumed(row.task(), released.task() if released else None, served=bool(database.serving(row.lane)))

    def _discard(self, operator: Principal, discard: Discard) -> Discarded | ChangedMeanwhile:
        row = self._row(discard.task.id)
        if _has_changed(row, discard.task):
            return ChangedMeanwhile(row.task())
        self._database.change(row, TaskStatus.DISCARDED, discard.reason)
        target = ActionTarget(discard.detail, row.id, row.lane)
        self._database.record_actions(operator, ActionKind.DISCARD, [target], discard.note)
        return Discarded(row.task())

    def _row(self, task_id: TaskId) -> TaskRow:
        row = self._database.tasks.get(task_id)
        if row is None:
            raise NotFound
        return row

    def _matching(self, filter: DeadFilter) -> list[TaskRow]:
        """Oldest first."""
        return [row for row in self._database.with_status(TaskStatus.DEAD) if _matches(row, filter)]


def _has_changed(row: TaskRow, seen: Task) -> bool:
    return row.status is not TaskStatus.DEAD or len(row.changes) != len(seen.changes)


def _matches(row: TaskRow, filter: DeadFilter) -> bool:
    new, died_at = row.new, row.ended_at or 0
    return (
        filter.agent in (None, new.agent)
        and filter.version in (None, new.version)
        and filter.code in (None, _code(row))
        and filter.tenant in (None, new.principal.tenant)
        and filter.user in (None, new.principal.user)
        and (filter.since is None or died_at >= filter.since)
        and (filter.until is None or died_at < filter.until)
    )


def _code(row: TaskRow) -> str:
    return "" if row.error is None else json.loads(row.error).get("code", "")
