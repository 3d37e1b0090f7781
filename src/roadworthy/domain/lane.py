"""A lane's name, and what is said of a lane that nobody serves."""

from __future__ import annotations

import re
from collections.abc import Iterable

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Of agents and versions: nothing that means something in a lane, a path or a queue's name."""


def agent_and_version(lane: str) -> tuple[str, str]:
    """The parts of `support@1`; ValueError for what is no lane."""
    agent, _, version = lane.partition("@")
    if not (NAME.fullmatch(agent) and NAME.fullmatch(version)):
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
