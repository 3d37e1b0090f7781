"""How many workers a supervisor wants: decided from what waits and what runs, without I/O and without a clock.

Growing is quick and by as much as is needed, shrinking is slow and by a quarter at most. Between the two lies a wide
band in which nothing changes: what makes a worker superfluous (few tasks at all) is not what makes one missing (tasks
that wait), and a number of workers is given up only if those that stay have room for everything. Where that guess was
wrong, because tasks need more of a worker than a slot, they are missed at once and started again; then the next ones
are kept four times as long.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from roadworthy.ports.lanes import LaneLoad

LOOKS_UNDER_PRESSURE = 2
"""Tasks that wait at one look may just have come, and be claimed a moment later."""
ROOM_LEFT = 0.75
"""Of the slots that stay, at most so many may be taken: the next task must not have to wait at once."""
PATIENCE_FACTOR = 4
MOST_REGRETS = 3
REGRET_LASTS = 120
"""In units of `down_seconds`."""


@dataclass(frozen=True, slots=True)
class ScalingRule:
    minimum: int = 2
    maximum: int = 50
    up_threshold: float = 10
    """Grow when more tasks than that wait for each worker."""
    down_threshold: float = 2
    """Shrink when each worker has fewer tasks than that, waiting and running."""
    down_seconds: float = 30
    """A worker must have been superfluous for so long; four times as long after each time that was wrong."""
    late_seconds: float = 5
    """Grow also when a task has waited longer than that and every slot is taken."""
    largest_step: int = 8


@dataclass(frozen=True, slots=True)
class Demand:
    """The tasks for one of our workers, if each lane's are divided among all who serve it, on whatever host."""

    waiting: float = 0
    """Infinite if tasks wait and nobody serves them."""
    load: float = 0
    """Waiting and running."""
    oldest_seconds: float = 0


@dataclass(frozen=True, slots=True)
class Workforce:
    """The supervisor's own workers."""

    wanted: int
    working: int
    """Those that claim tasks, or soon will."""
    settled: bool
    """As many as are wanted, and none is still starting: what waits now is not about to be taken by a new one."""
    present: int
    """All that are there, those that drain too."""
    full: bool
    """None of them has a free slot."""
    slots: int
    """Of each."""


@dataclass(frozen=True, slots=True)
class Trend:
    """What earlier looks found."""

    looks_under_pressure: int = 0
    superfluous_since: float | None = None
    largest_load: float = 0
    """Since then."""
    shrank: bool = False
    """The last change was downwards."""
    regrets: int = 0
    """How often growing followed shrinking, of late."""
    regretted_at: float = 0


@dataclass(frozen=True, slots=True)
class Decision:
    wanted: int
    trend: Trend
    reason: str = ""
    """In words, if the number changes."""


def demand(loads: Sequence[LaneLoad], lanes: Mapping[str, str], *, working: int, registered: int) -> Demand:
    """What the lanes ask of each worker. `lanes`: those that ours serve → the lane of the service that runs there.

    `registered` of the live workers that the store knows are our own.
    """
    workers = {lane.lane: lane.workers for lane in loads}
    waiting = load = oldest = 0.0
    for lane in loads:
        own = lanes.get(lane.lane)
        # The lane of an older version gives us nothing while more take its tasks than those who continue it.
        if own is not None and lane.workers <= workers.get(own, 0):
            serving = max(lane.workers - registered, 0) + working
            waiting += lane.queued / serving if serving else math.inf if lane.queued else 0
            load += lane.depth / max(serving, 1)
            oldest = max(oldest, lane.oldest_seconds)
    return Demand(waiting, load, oldest)


def decide(rule: ScalingRule, now: float, demand: Demand, ours: Workforce, trend: Trend) -> Decision:
    """How many workers are wanted from now on. Called at every look, with the trend of the last decision."""
    regrets = max(trend.regrets - int((now - trend.regretted_at) // (REGRET_LASTS * rule.down_seconds)), 0)
    grown = _grown(rule, demand, ours)
    looks = trend.looks_under_pressure + 1 if grown > ours.wanted and ours.settled else 0
    if looks >= LOOKS_UNDER_PRESSURE or (looks and not ours.working):
        if trend.shrank:
            regretted = Trend(regrets=min(regrets + 1, MOST_REGRETS), regretted_at=now)
        else:
            regretted = Trend(regrets=trend.regrets, regretted_at=trend.regretted_at)
        return Decision(grown, regretted, _why_more(rule, demand))

    if not ours.settled or _needed(rule, demand.load, ours) >= ours.wanted:
        quiet = replace(trend, looks_under_pressure=looks, superfluous_since=None, largest_load=0)
        return Decision(ours.wanted, quiet)
    since = now if trend.superfluous_since is None else trend.superfluous_since
    largest = max(trend.largest_load, demand.load)
    if now - since < rule.down_seconds * PATIENCE_FACTOR**regrets:
        waiting = replace(trend, looks_under_pressure=looks, superfluous_since=since, largest_load=largest)
        return Decision(ours.wanted, waiting)
    fewest = ours.wanted - max(ours.wanted // 4, 1)
    reason = f"{largest:.1f} tasks a worker at most in {now - since:.0f} s; fewer would do"
    shrunk = Trend(shrank=True, regrets=trend.regrets, regretted_at=trend.regretted_at)
    return Decision(max(_needed(rule, largest, ours), fewest), shrunk, reason)


def _grown(rule: ScalingRule, demand: Demand, ours: Workforce) -> int:
    """The number of workers that pressure asks for, in one bounded step; the present one if there is none."""
    if demand.waiting > rule.up_threshold:
        most = max(ours.wanted, 1)  # twice as many
        needed = demand.waiting * ours.wanted / rule.up_threshold
        step = min(math.ceil(needed) - ours.wanted if math.isfinite(needed) and needed else 1, most)
    elif demand.oldest_seconds > rule.late_seconds and ours.full:
        step = max(ours.wanted // 4, 1)
    else:
        return ours.wanted
    room = rule.maximum - max(ours.present, ours.wanted)
    return ours.wanted + max(min(step, rule.largest_step, room), 0)


def _needed(rule: ScalingRule, load: float, ours: Workforce) -> int:
    """How many of ours suffice for that load on each of them."""
    each = min(rule.down_threshold, ROOM_LEFT * ours.slots)
    return max(math.ceil(load * ours.wanted / each), rule.minimum)


def _why_more(rule: ScalingRule, demand: Demand) -> str:
    if math.isinf(demand.waiting):
        return "tasks wait and no worker serves them"
    if demand.waiting > rule.up_threshold:
        return f"{demand.waiting:.1f} tasks wait for each worker, more than {rule.up_threshold:g}"
    return f"a task has waited for {demand.oldest_seconds:.0f} s and every slot is taken"
