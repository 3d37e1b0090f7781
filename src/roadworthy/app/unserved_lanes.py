"""Names the lanes with tasks that will not run, when `roadworthy serve` starts."""

from __future__ import annotations

import sys
from collections.abc import Collection

import structlog

from roadworthy.domain.errors import StoreUnavailable
from roadworthy.domain.lane import nobody_serves, way_out
from roadworthy.ports.lanes import Lanes

log = structlog.get_logger()


async def name_unserved_lanes(lanes: Lanes, served: Collection[str]) -> None:
    """On the terminal and in the log: how many open tasks each has, and what to do."""
    try:
        tasks = await lanes.open_tasks()
        known = {*served, *(load.lane for load in await lanes.loads() if load.workers)}
    except StoreUnavailable as error:
        log.warning("lanes_not_counted", reason=error.message)
        return
    for lane in sorted(tasks.keys() - known):
        reason = f"{nobody_serves(lane)}; {way_out(lane, known)}"
        log.warning("tasks_nobody_runs", lane=lane, tasks=tasks[lane], reason=reason)
        count = "1 open task" if tasks[lane] == 1 else f"{tasks[lane]} open tasks"
        # `roadworthy queue` counts those alone that a worker could take now.
        sys.stdout.write(f"{count} of {lane} will not run, blocked, paused and waiting ones included: {reason}\n")
    sys.stdout.flush()
