"""A lane's name, and what is said of a lane that nobody serves."""

from __future__ import annotations

from collections.abc import Iterable


def agent_and_version(lane: str) -> tuple[str, str]:
    """The parts of `support@1`; ValueError for what is no lane."""
    agent, at, version = lane.rpartition("@")
    if not (agent and at and version):
        raise ValueError(f"{lane!r} is not a lane; a lane is AGENT@VERSION, like support@1")
    return agent, version


def nobody_serves(lane: str) -> str:
    """How every reason begins that says so: the store knows it by that."""
    return f"no worker serves {lane}"


def way_out(lane: str, served: Iterable[str]) -> str:
    """What to do about a lane that nobody serves, given those that somebody does."""
    agent, version = agent_and_version(lane)
    others = sorted(other for name, other in map(agent_and_version, served) if name == agent and other != version)
    if not others:
        return "start one"
    move = f"roadworthy queue move {lane} --to {others[-1]}"
    return f'start one, declare continues=["{version}"], or move its tasks: {move}'
