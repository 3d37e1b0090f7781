"""Finds lanes with tasks that no worker takes, tells everybody, and takes it back when one comes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Sequence

import structlog

from roadworthy.core.upkeep.duty import BATCH, UpkeepPorts
from roadworthy.domain.lane import nobody_serves, way_out
from roadworthy.domain.task import Task
from roadworthy.ports.duty_schedule import DutyTurn
from roadworthy.ports.lanes import LaneLoad

ALARM_SECONDS = 60.0
"""The log says it again after this long, as long as it is so."""
LOOK_AGAIN_SECONDS = 60.0
"""A served lane is looked at again after this long."""
_MOST_BATCHES = 10
"""Of one lane in one turn; what is left waits for the next one."""

log = structlog.get_logger()


class ExplainUnservedLanes:
    def __init__(self) -> None:
        self._alarmed: dict[str, float] = {}
        self._clean: dict[str, float] = {}
        """Served lanes, and when their tasks had no such reason; another process may have given it before, or since."""

    @property
    def name(self) -> str:
        return "explain_unserved_lanes"

    @property
    def every_seconds(self) -> float:
        return 5.0

    async def run_once(self, ports: UpkeepPorts, turn: DutyTurn) -> int:
        loads = await ports.lanes.loads()
        served = [load.lane for load in loads if load.workers]
        return sum([await self._look_at(load, served, ports) for load in loads if load.queued])

    async def _look_at(self, load: LaneLoad, served: Collection[str], ports: UpkeepPorts) -> int:
        lane, store = load.lane, ports.lanes
        if not load.workers:
            self._clean.pop(lane, None)
        if load.stranded:
            reason = f"{nobody_serves(lane)}; {way_out(lane, served)}"
            self._alarm(load, reason)
            return await _in_batches(lambda: store.explain(lane, reason, BATCH), ports)
        if load.workers and time.monotonic() - self._clean.get(lane, float("-inf")) >= LOOK_AGAIN_SECONDS:
            self._alarmed.pop(lane, None)
            count = await _in_batches(lambda: store.unexplain(lane, BATCH), ports)
            if count < BATCH * _MOST_BATCHES:
                self._clean[lane] = time.monotonic()
            return count
        return 0

    def _alarm(self, load: LaneLoad, reason: str) -> None:
        now = time.monotonic()
        if now - self._alarmed.get(load.lane, float("-inf")) < ALARM_SECONDS:
            return
        self._alarmed[load.lane] = now
        log.error(
            "lane_without_worker",
            lane=load.lane,
            queued=load.queued,
            oldest_seconds=round(load.oldest_seconds, 1),
            unserved_seconds=round(load.unserved_seconds, 1),
            reason=reason,
        )


async def _in_batches(change: Callable[[], Awaitable[Sequence[Task]]], ports: UpkeepPorts) -> int:
    count = 0
    for _ in range(_MOST_BATCHES):
        tasks = await change()
        ports.announce(tasks)
        count += len(tasks)
        if len(tasks) < BATCH:
            break
    return count
