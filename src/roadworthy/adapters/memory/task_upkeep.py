"""The upkeep of tasks in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence

from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.task_row import INTERRUPTED, TaskRow
from roadworthy.domain.event import MAX_ATTEMPTS
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.task import Task, TaskStatus


class MemoryTaskUpkeep:
    """A `TaskUpkeep` over a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def rescue_expired_leases(self, max_retries: int, limit: int, apart_seconds: float = 30) -> Sequence[Task]:
        return await self._database.run(
            "task_upkeep.rescue_expired_leases",
            lambda: self._rescue_expired_leases(max_retries, limit, apart_seconds),
        )

    async def release_due_tasks(self, limit: int) -> Sequence[Task]:
        return await self._database.run("task_upkeep.release_due_tasks", lambda: self._release_due_tasks(limit))

    async def release_blocked_tasks(self, limit: int) -> Sequence[Task]:
        return await self._database.run("task_upkeep.release_blocked_tasks", lambda: self._release_blocked_tasks(limit))

    async def expire_tasks(self, limit: int) -> Sequence[Task]:
        return await self._database.run("task_upkeep.expire_tasks", lambda: self._expire_tasks(limit))

    async def lanes_with_work(self) -> Sequence[str]:
        def lanes() -> list[str]:
            return sorted({row.lane for row in self._database.with_status(TaskStatus.QUEUED) if row.claimable})

        return await self._database.run("task_upkeep.lanes_with_work", lanes)

    def _rescue_expired_leases(self, max_retries: int, limit: int, apart_seconds: float) -> list[Task]:
        database = self._database
        running = database.with_status(TaskStatus.RUNNING)
        lost = [row for row in running if not database.holds_lease(row.worker_id)][:limit]
        changed: list[TaskRow] = []
        for row in lost:
            suspects = database.suspects_of(row.worker_id)
            suspected = row.losses > 0 and row.id in suspects
            alone = max_retries == 0 or (suspected and len(suspects) == 1)
            database.end_lease(row.worker_id)
            row.failures += 1
            row.losses += 1
            row.running_seconds += database.seconds_of_lost_attempt(row)
            row.claim_token = None
            if row.cancel_requested:
                row.keep_partial_output()
                database.change(row, TaskStatus.CANCELLED, INTERRUPTED if row.interrupted else "cancelled")
            elif (row.failures > max_retries and alone) or row.attempt >= MAX_ATTEMPTS:
                advice = FailureClass.LEASE_LOST.treatment.advice
                reason = f"failed {row.failures} times without progress; last: its worker was lost; {advice}"
                row.keep_partial_output()
                row.error = _error("lease_lost", reason)
                database.change(row, TaskStatus.DEAD, reason)
            else:
                database.change(row, TaskStatus.QUEUED, "its worker was lost")
                if suspected and suspects.index(row.id) >= (len(suspects) + 1) // 2:
                    database.pause(row, apart_seconds)
                    row.waits_since += apart_seconds
            changed.append(row)
        return self._with_released(changed)

    def _release_due_tasks(self, limit: int) -> list[Task]:
        queued, now = self._database.with_status(TaskStatus.QUEUED), self._database.now()
        due = [row for row in queued if row.run_after is not None and row.run_after <= now][:limit]
        for row in due:
            row.ready_since = row.run_after or now
            self._database.end_pause(row)
        return [row.task() for row in due]

    def _release_blocked_tasks(self, limit: int) -> list[Task]:
        sessions = {row.new.session_id for row in self._database.with_status(TaskStatus.BLOCKED)}
        released = (self._database.release_next(session_id) for session_id in sorted(sessions)[:limit])
        return [row.task() for row in released if row is not None]

    def _expire_tasks(self, limit: int) -> list[Task]:
        database, now = self._database, self._database.now()
        candidates = database.with_status(TaskStatus.BLOCKED, TaskStatus.QUEUED, TaskStatus.WAITING)
        changed: list[TaskRow] = []
        for row in [row for row in candidates if now - row.waits_since >= _seconds_to_wait(row)][:limit]:
            resumed = any(change.status is TaskStatus.DEAD for change in row.changes)
            seconds = f"{_seconds_to_wait(row):g} seconds"
            row.keep_partial_output()
            if resumed:
                reason = f"it was resumed, and then {_RESUMED[row.status].format(seconds)}"
                row.error = _error(FailureClass.WAITED_TOO_LONG, reason)
                database.change(row, TaskStatus.DEAD, reason)
            else:
                reason = f"it waited longer than {seconds} for {_WAITED_FOR[row.status]}"
                row.error = _error("expired", reason)
                database.change(row, TaskStatus.EXPIRED, reason)
            changed.append(row)
        return self._with_released(changed)

    def _with_released(self, changed: list[TaskRow]) -> list[Task]:
        sessions = dict.fromkeys(row.new.session_id for row in changed)
        released = [self._database.release_next(session_id) for session_id in sessions]
        return [row.task() for row in (*changed, *released) if row is not None]


_UNDECIDED = "a call that waited for approval was not made, one that was started may have happened"
_WAITED_FOR = {
    TaskStatus.WAITING: f"a decision; {_UNDECIDED}: look at its steps before you send it again",
    TaskStatus.BLOCKED: "its turn in the session; send it again once the session is free",
    TaskStatus.QUEUED: "a worker; see that workers of its version run and have free slots",
}

_RESUMED = {
    TaskStatus.WAITING: f"nobody decided within {{}}; {_UNDECIDED}: look at its steps before you resume it again",
    TaskStatus.BLOCKED: "its turn in the session did not come within {}; resume it again once the session is free",
    TaskStatus.QUEUED: f"no worker took it within {{}}; {FailureClass.WAITED_TOO_LONG.treatment.advice}",
}


def _seconds_to_wait(row: TaskRow) -> float:
    limits = row.new.limits
    return limits.waiting_seconds if row.status is TaskStatus.WAITING else limits.queue_seconds


def _error(code: str, message: str) -> bytes:
    return json.dumps({"code": code, "message": message}).encode()
