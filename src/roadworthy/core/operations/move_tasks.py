"""Moves the tasks of a lane to another version of its agent, as an operator asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy.core.announcer import Announcer
from roadworthy.domain.errors import InvalidRequest, NotFound
from roadworthy.domain.lane import agent_and_version, nobody_serves, way_out
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import lane_of
from roadworthy.ports.lanes import Lanes

MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Moved:
    """What one call did."""

    to_lane: str
    count: int
    more: bool
    """There may be more to move."""
    notice: str | None
    """What the operator should know: that nobody serves the new lane."""


class MoveTasks:
    def __init__(self, lanes: Lanes, announcer: Announcer) -> None:
        self._lanes = lanes
        self._announcer = announcer

    async def move(self, operator: Principal, lane: str, to: str, *, parked: bool = False) -> Moved:
        """Move up to `MOST_AT_ONCE` queued and blocked tasks, or those that wait because their code did not match.

        `to` is a version or a lane. Raises InvalidRequest for what can be neither, the same lane and another agent,
        NotFound for a lane that has neither tasks nor workers, NotAllowed and StoreUnavailable.
        """
        to_lane = _target(lane, to)
        _, version = agent_and_version(to_lane)
        tasks = await self._lanes.move(operator, lane, version, MOST_AT_ONCE, parked=parked)
        for task in tasks:
            self._announcer.changed(task)
        served = [load.lane for load in await self._lanes.loads() if load.workers]
        if not tasks and lane not in served:
            await self._check_known(lane)
        notice = None if to_lane in served else f"{nobody_serves(to_lane)} now; {way_out(to_lane, served)}"
        return Moved(to_lane, len(tasks), len(tasks) == MOST_AT_ONCE, notice)

    async def _check_known(self, lane: str) -> None:
        if lane not in (known := await self._lanes.open_tasks()):
            there = ", ".join(known) or "none"
            raise NotFound(f"the lane {lane} has no tasks and no workers; lanes with tasks: {there}")


def _target(lane: str, to: str) -> str:
    try:
        agent, _ = agent_and_version(lane)
        to_lane = to if "@" in to else lane_of(agent, to)
        to_agent, _ = agent_and_version(to_lane)
    except ValueError as error:
        raise InvalidRequest(str(error)) from None
    if to_agent != agent:
        raise InvalidRequest(f"tasks of {agent} can't go to {to_agent}: only to another version of the same agent")
    if to_lane == lane:
        raise InvalidRequest(f"the tasks are in {lane} already; name another version")
    return to_lane
