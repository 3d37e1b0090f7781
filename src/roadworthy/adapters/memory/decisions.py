"""Decisions in memory."""

from __future__ import annotations

from collections.abc import Sequence

from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.task_row import TaskRow
from roadworthy.domain.decision import Decision, NewDecision
from roadworthy.domain.decision_check import CallStanding, check_decision, goes_on
from roadworthy.domain.errors import JournalMismatch, NotFound
from roadworthy.domain.ids import TaskId
from roadworthy.domain.operator_action import ActionKind, ActionTarget
from roadworthy.domain.principal import Principal, check_operator, is_operator
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.ports.decisions import Decided


class MemoryDecisions:
    """A `Decisions` over a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def decide(
        self, principal: Principal, task_id: TaskId, new: NewDecision, not_before: float | None
    ) -> Decided:
        return await self._database.run("decisions.decide", lambda: self._decide(principal, task_id, new, not_before))

    async def of_task(self, principal: Principal, task_id: TaskId) -> Sequence[Decision]:
        def of_task() -> list[Decision]:
            row = self._database.tasks.get(task_id)
            return list(row.decisions) if row is not None and row.belongs_to(principal) else []

        return await self._database.run("decisions.of_task", of_task)

    async def find_any(self, operator: Principal, task_id: TaskId) -> Task:
        check_operator(operator)
        return await self._database.run("decisions.find_any", lambda: self._row(task_id).task())

    async def waiting(self, operator: Principal, limit: int = 50, beyond: TaskId | None = None) -> Sequence[Task]:
        check_operator(operator)

        def page() -> list[Task]:
            rows = self._database.with_status(TaskStatus.WAITING)
            for_people = (row for row in rows if row.error_code != JournalMismatch.code)
            return [row.task() for row in for_people if beyond is None or row.id > beyond][:limit]

        return await self._database.run("decisions.waiting", page)

    def _decide(self, principal: Principal, task_id: TaskId, new: NewDecision, not_before: float | None) -> Decided:
        database, row = self._database, self._row(task_id)
        if not (row.belongs_to(principal) or is_operator(principal)):
            raise NotFound
        call = self._standing(row, new)
        check_decision(new, row.task(), call, not_before)
        decision = call.decided or self._keep(principal, row, new)
        if goes_on(row.task(), call):
            row.error = None
            database.change(row, TaskStatus.QUEUED, new.reason)
        return Decided(decision, row.task())

    def _standing(self, row: TaskRow, new: NewDecision) -> CallStanding:
        of_call = (decision for decision in row.decisions if decision.call_id == new.call_id)
        return CallStanding(
            decided=next((decision for decision in of_call if decision.answers(new.verdict)), None),
            has_result=any(entry.key == new.call_id for entry in row.journal),
            now=self._database.now(),
        )

    def _keep(self, principal: Principal, row: TaskRow, new: NewDecision) -> Decision:
        by = new.by
        decision = Decision(new.call_id, new.verdict, new.value, new.note, by.tenant, by.user, self._database.now())
        row.decisions.append(decision)
        if row.status is TaskStatus.RUNNING:
            # Who runs it may have read the decisions before.
            row.decided_attempt = row.attempt
        if not row.belongs_to(principal):
            target = ActionTarget(new.detail, row.id, row.lane)
            self._database.record_actions(principal, ActionKind.DECIDE, [target], new.note)
        return decision

    def _row(self, task_id: TaskId) -> TaskRow:
        row = self._database.tasks.get(task_id)
        if row is None:
            raise NotFound
        return row
