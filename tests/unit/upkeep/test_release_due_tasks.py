"""One turn releases what is due, not just one batch of it."""

from __future__ import annotations

from typing import Any

from roadworthy.core.upkeep.duty import BATCH
from roadworthy.core.upkeep.release_due_tasks import MOST_BATCHES, ReleaseDueTasks
from roadworthy.ports.duty_schedule import DutyTurn


class Due:
    """So many due tasks; everything else that a duty has."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.told = 0
        self.tasks = self

    async def release_due_tasks(self, limit: int) -> list[None]:
        batch = min(limit, self.left)
        self.left -= batch
        return [None] * batch

    def announce(self, tasks: list[Any]) -> None:
        self.told += len(tasks)


async def test_it_goes_on_while_batches_are_full_and_ends_in_bounded_time():
    for count, left in ((0, 0), (BATCH, 0), (2 * BATCH + 1, 0), (MOST_BATCHES * BATCH + 7, 7)):
        due = Due(count)
        assert await ReleaseDueTasks().run_once(due, DutyTurn(0)) == count - left == due.told  # type: ignore[arg-type]
        assert due.left == left
