"""What waits and runs in each lane, and who serves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Task

STRANDED_SECONDS = 30.0
"""How long a lane with tasks may be without a worker before that is an alarm: a worker may be starting."""

MOST_EXPLANATIONS = 10
"""How often a task is told, in one lane, that nobody serves it: each time is two of its changes."""


@dataclass(frozen=True, slots=True)
class LaneLoad:
    """One lane as it is now."""

    lane: str
    queued: int
    """Ready tasks: not those in a pause before a retry, not blocked ones."""
    running: int
    oldest_seconds: float
    """How long the ready task that waits longest has been waiting; 0 if there is none."""
    workers: int
    """Workers with a valid lease that take tasks of this lane."""
    unserved_seconds: float = 0
    """How long ready tasks have been waiting without any such worker; 0 while there is one."""
    paused: int = 0
    """Queued tasks in a pause before a retry: upkeep makes them ready when it is over."""
    undecided: int = 0
    """Tasks that wait for a person to decide."""
    parked: int = 0
    """Tasks that wait for other code, since theirs did not match their journal."""

    @property
    def depth(self) -> int:
        return self.queued + self.running

    @property
    def stranded(self) -> bool:
        return self.unserved_seconds >= STRANDED_SECONDS


class Lanes(Protocol):
    async def loads(self) -> list[LaneLoad]:
        """Every lane that has queued, running or waiting tasks or a live worker, by name.

        Reads one index entry for each ready task, and the row of each paused or undecided one: some tenths of a second
        at a million of the former.
        """
        ...

    async def open_tasks(self) -> Mapping[str, int]:
        """Lane → how many tasks have not ended, whatever they wait for. Reads all of them."""
        ...

    async def dead_tasks(self) -> int:
        """How many tasks are dead now, in all lanes. Reads one index entry for each."""
        ...

    async def move(
        self, operator: Principal, lane: str, to_version: str, limit: int, *, parked: bool = False
    ) -> Sequence[Task]:
        """Give up to `limit` queued and blocked tasks of the lane to another version of its agent.

        With `parked` those instead that wait because the code did not match their journal; they are queued. Each
        gets a new place among the others there, fresh time to wait, and a change that says who moved it; the action
        is recorded in the same transaction. Returns them as they are now; none when none is left.

        NotAllowed for a principal without the scope `operator`.
        """
        ...

    async def explain(self, lane: str, reason: str, limit: int) -> Sequence[Task]:
        """Say on up to `limit` of the lane's first ready tasks why nobody runs them; one that says exactly that
        already, or was told `MOST_EXPLANATIONS` times, is left as it is. Returns those that changed."""
        ...

    async def unexplain(self, lane: str, limit: int) -> Sequence[Task]:
        """Take such a reason away again, since somebody serves the lane. Returns those that changed."""
        ...

    async def release_parked_tasks(self, limit: int) -> Sequence[Task]:
        """Queue tasks again that wait because the code did not match their journal: once for each worker of their
        own version that has started since they were last claimed."""
        ...
