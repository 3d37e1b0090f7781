"""Lanes in PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from roadworthy.adapters.postgres import reasons, rows
from roadworthy.adapters.postgres.action_record import ActionRecord
from roadworthy.adapters.postgres.failures import translated
from roadworthy.adapters.postgres.pool import Pool
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.adapters.postgres.rows import Row
from roadworthy.adapters.postgres.session_wall import OwnerTags, SessionWall
from roadworthy.domain.event import MAX_ATTEMPTS
from roadworthy.domain.lane import agent_and_version, nobody_serves
from roadworthy.domain.operator_action import ActionKind, ActionTarget
from roadworthy.domain.principal import Principal, check_operator
from roadworthy.domain.task import Task, lane_of
from roadworthy.ports.lanes import MOST_EXPLANATIONS, LaneLoad

_FEW: Final = 200
"""Ready tasks of a lane among which the oldest is looked for in the rows themselves."""
_EXPLAINED: Final = 10_000
"""First ready tasks of a lane that are told why nobody runs them."""


class PostgresLanes:
    """A `Lanes`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("lanes")
        self._wall = SessionWall()
        self._actions = ActionRecord()

    @translated
    async def loads(self) -> list[LaneLoad]:
        return [LaneLoad(*row) for row in await self._pool.fetch(self._queries["loads"], _FEW)]

    @translated
    async def open_tasks(self) -> Mapping[str, int]:
        return {row[0]: row[1] for row in await self._pool.fetch(self._queries["open_tasks"])}

    @translated
    async def dead_tasks(self) -> int:
        return (await self._pool.fetch(self._queries["dead_tasks"]))[0][0]

    @translated
    async def move(
        self, operator: Principal, lane: str, to_version: str, limit: int, *, parked: bool = False
    ) -> Sequence[Task]:
        check_operator(operator)
        agent, version = agent_and_version(lane)
        to_lane = lane_of(agent, to_version)
        reason = reasons.MOVED % (version, to_version, operator.user)
        values: list[object] = [lane, to_version, to_lane, reason, limit]
        async with self._pool.transaction() as transaction:
            if parked:
                found = await transaction.fetch(self._queries["move_parked"], *values, MAX_ATTEMPTS)
            else:
                found = await transaction.fetch(self._queries["move"], *values)
            moved = _tasks(found)
            if moved:
                left = Counter(
                    (lane, task.priority, task.principal.tenant, task.principal.user)
                    for task, row in zip(moved, found, strict=True)
                    if row[-1]
                )
                await self._wall.enqueue(
                    transaction, moved, [OwnerTags(*place, count) for place, count in left.items()]
                )
                detail = {"to": to_lane, "parked": parked, "task_ids": [str(task.id) for task in moved]}
                await self._actions.write(transaction, operator, ActionKind.MOVE, [ActionTarget(detail, lane=lane)])
        return moved

    @translated
    async def explain(self, lane: str, reason: str, limit: int) -> Sequence[Task]:
        beginning = nobody_serves(lane)
        return _tasks(
            await self._pool.fetch(
                self._queries["explain"], lane, beginning, reason, limit, _EXPLAINED, MOST_EXPLANATIONS
            ),
        )

    @translated
    async def unexplain(self, lane: str, limit: int) -> Sequence[Task]:
        return _tasks(await self._pool.fetch(self._queries["unexplain"], lane, nobody_serves(lane), limit, _EXPLAINED))

    @translated
    async def release_parked_tasks(self, limit: int) -> Sequence[Task]:
        async with self._pool.transaction() as transaction:
            released = _tasks(
                await transaction.fetch(
                    self._queries["release_parked_tasks"], MAX_ATTEMPTS, reasons.SERVED_AGAIN, limit
                )
            )
            await self._wall.enqueue(transaction, released)
        return released


def _tasks(found: Sequence[Row]) -> list[Task]:
    return [rows.task(row) for row in found]
