"""One turn deletes all that is late, not just one batch of it."""

from __future__ import annotations

from roadworthy.core.upkeep.duty import BATCH
from roadworthy.core.upkeep.forget_late_replies import MOST_BATCHES, ForgetLateReplies
from roadworthy.ports.duty_schedule import DutyTurn


class Late:
    def __init__(self, count: int) -> None:
        self.left = count

    async def forget_late(self, most: int) -> int:
        some = min(most, self.left)
        self.left -= some
        return some


async def test_it_goes_on_while_batches_are_full_and_ends_in_bounded_time():
    for count, left in ((0, 0), (BATCH, 0), (2 * BATCH + 1, 0), (MOST_BATCHES * BATCH + 7, 7)):
        late = Late(count)
        done = await ForgetLateReplies(late).run_once(None, DutyTurn(0))  # type: ignore[arg-type]
        assert (done, late.left) == (count - left, left)
