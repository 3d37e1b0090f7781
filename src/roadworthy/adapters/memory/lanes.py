"""Lanes in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.task_row import TaskRow
from roadworthy.domain.errors import JournalMismatch
from roadworthy.domain.event import MAX_ATTEMPTS
from roadworthy.domain.lane import agent_and_version, nobody_serves
from roadworthy.domain.operator_action import ActionKind, ActionTarget
from roadworthy.domain.principal import Principal, check_operator
from roadworthy.domain.task import OPEN, Task, TaskStatus, lane_of
from roadworthy.ports.lanes import MOST_EXPLANATIONS, LaneLoad


class MemoryLanes:
    """A `Lanes` over a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def loads(self) -> list[LaneLoad]:
        return await self._database.run("lanes.loads", self._loads)

    async def open_tasks(self) -> Mapping[str, int]:
        return await self._database.run(
            "lanes.open_tasks", lambda: Counter(row.lane for row in self._database.with_status(*sorted(OPEN)))
        )

    async def dead_tasks(self) -> int:
        return await self._database.run("lanes.dead_tasks", lambda: len(self._database.with_status(TaskStatus.DEAD)))

    async def move(
        self, operator: Principal, lane: str, to_version: str, limit: int, *, parked: bool = False
    ) -> Sequence[Task]:
        check_operator(operator)
        return await self._database.run("lanes.move", lambda: self._move(operator, lane, to_version, limit, parked))

    async def explain(self, lane: str, reason: str, limit: int) -> Sequence[Task]:
        def wanted(row: TaskRow) -> bool:
            told = sum(_is_about(lane, change.reason) for change in row.changes)
            return row.reason != reason and told < MOST_EXPLANATIONS

        return await self._give_reason(lane, reason, limit, wanted)

    async def unexplain(self, lane: str, limit: int) -> Sequence[Task]:
        return await self._give_reason(lane, None, limit, lambda row: _is_about(lane, row.reason))

    async def release_parked_tasks(self, limit: int) -> Sequence[Task]:
        return await self._database.run("lanes.release_parked_tasks", lambda: self._release_parked_tasks(limit))

    def _loads(self) -> list[LaneLoad]:
        database = self._database
        lanes = {row.lane for row in database.with_status(TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.WAITING)}
        lanes |= {
            lane for worker in database.workers.values() for lane in worker.worker.lanes if database.serving(lane)
        }
        return [self._load(lane) for lane in sorted(lanes)]

    def _load(self, lane: str) -> LaneLoad:
        database, now = self._database, self._database.now()
        ready = self._ready(lane)
        workers = len(database.serving(lane))
        oldest = max((now - row.ready_since for row in ready), default=0.0)
        unseen = (now - row.last_seen for row in database.workers.values() if lane in row.worker.lanes)
        running = sum(row.lane == lane for row in database.with_status(TaskStatus.RUNNING))
        queued = database.with_status(TaskStatus.QUEUED)
        paused = sum(row.lane == lane and not row.claimable for row in queued)
        unserved = 0.0 if workers else min((oldest, *unseen))
        waiting = [row for row in database.with_status(TaskStatus.WAITING) if row.lane == lane]
        parked = sum(row.error_code == JournalMismatch.code for row in waiting)
        undecided = len(waiting) - parked
        return LaneLoad(lane, len(ready), running, oldest, workers, unserved, paused, undecided, parked)

    def _move(self, operator: Principal, lane: str, to_version: str, limit: int, parked: bool) -> list[Task]:
        database = self._database
        agent, version = agent_and_version(lane)
        candidates = (
            filter(_is_parked, database.with_status(TaskStatus.WAITING))
            if parked
            else database.with_status(TaskStatus.QUEUED, TaskStatus.BLOCKED)
        )
        moved = list(islice((row for row in candidates if row.lane == lane), limit))
        for row in moved:
            database.move(row, to_version, f"moved from version {version} to version {to_version} by {operator.user}")
        if moved:
            task_ids = [str(row.id) for row in moved]
            detail = {"to": lane_of(agent, to_version), "parked": parked, "task_ids": task_ids}
            database.record_actions(operator, ActionKind.MOVE, [ActionTarget(detail, lane=lane)])
        return _tasks(moved)

    async def _give_reason(
        self, lane: str, reason: str | None, limit: int, wanted: Callable[[TaskRow], bool]
    ) -> Sequence[Task]:
        def give() -> list[Task]:
            changed = [row for row in self._ready(lane) if wanted(row)][:limit]
            for row in changed:
                row.record_change(reason, self._database.now())
            return _tasks(changed)

        return await self._database.run("lanes.explain" if reason else "lanes.unexplain", give)

    def _release_parked_tasks(self, limit: int) -> list[Task]:
        database = self._database
        parked = [row for row in database.with_status(TaskStatus.WAITING) if _is_parked(row)]
        # The change before it was parked is the claim of whoever parked it.
        due = [row for row in parked if any(w.started_at > row.changes[-2].at for w in database.own(row.lane))][:limit]
        for row in due:
            row.error = None
            database.change(
                row, TaskStatus.QUEUED, "a worker of its version has started; the task is tried there once more"
            )
        return _tasks(due)

    def _ready(self, lane: str) -> list[TaskRow]:
        """In the order in which they are claimed."""
        rows = [row for row in self._database.with_status(TaskStatus.QUEUED) if row.lane == lane and row.claimable]
        return sorted(rows, key=lambda row: (-row.new.priority, row.fair_tag, row.id))


def _is_about(lane: str, reason: str | None) -> bool:
    """Whether it says that nobody serves the lane."""
    return (reason or "").startswith(nobody_serves(lane))


def _is_parked(row: TaskRow) -> bool:
    """For its journal, and can be tried again: one that was started as often as a task may be can't."""
    return row.attempt < MAX_ATTEMPTS and row.error_code == JournalMismatch.code


def _tasks(rows: Iterable[TaskRow]) -> list[Task]:
    return [row.task() for row in rows]
