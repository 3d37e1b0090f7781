"""What every `DutySchedule` must do."""

from __future__ import annotations

import asyncio

import pytest

from roadworthy.ports.duty_schedule import DutyTurn
from roadworthy.testing.conformance.stores import Stores


class DutyScheduleContract:
    """A `DutySchedule`, given `stores`."""

    async def test_a_duty_that_never_ran_is_due_and_has_just_resumed(self, stores: Stores):
        turn = await stores.duties.claim_turn("rescue", 60, 120)
        assert turn is not None
        assert turn.seconds_since_resumed == pytest.approx(0, abs=0.01)

    async def test_before_the_first_turn_it_counts_from_the_making_of_the_database(self, stores: Stores):
        before = await stores.duties.seconds_since_any_turn()
        await stores.pass_time(0.1)
        assert await stores.duties.seconds_since_any_turn() >= before + 0.09

    async def test_any_duty_shows_that_upkeep_runs(self, stores: Stores):
        await stores.duties.claim_turn("rescue", 60, 120)
        await stores.pass_time(0.1)
        assert await stores.duties.seconds_since_any_turn() >= 0.09
        await stores.duties.claim_turn("expire", 60, 120)
        assert await stores.duties.seconds_since_any_turn() < 0.09
        assert await stores.duties.claim_turn("rescue", 60, 120) is None
        await stores.pass_time(0.1)
        assert await stores.duties.seconds_since_any_turn() >= 0.09, "asking for a turn that is not due runs nothing"

    async def test_of_many_asking_at_once_one_gets_the_turn(self, stores: Stores):
        turns = await asyncio.gather(*(stores.duties.claim_turn("rescue", 60, 120) for _ in range(8)))
        assert len([turn for turn in turns if turn is not None]) == 1

    async def test_of_many_asking_for_the_next_turn_one_gets_it(self, stores: Stores):
        await stores.duties.claim_turn("rescue", 0.1, 60)

        async def ask() -> list[DutyTurn]:
            turns = await asyncio.gather(*(stores.duties.claim_turn("rescue", 60, 120) for _ in range(8)))
            return [turn for turn in turns if turn is not None]

        assert len(await stores.eventually(ask)) == 1

    async def test_a_duty_is_not_due_before_its_time(self, stores: Stores):
        await stores.duties.claim_turn("rescue", 60, 120)
        assert await stores.duties.claim_turn("rescue", 60, 120) is None

    async def test_duties_do_not_wait_for_each_other(self, stores: Stores):
        await stores.duties.claim_turn("rescue", 60, 120)
        assert await stores.duties.claim_turn("expire", 60, 120) is not None

    async def test_turns_count_from_the_time_that_upkeep_resumed(self, stores: Stores):
        await stores.duties.claim_turn("rescue", 0.05, 60)
        since = [0.0]
        for _ in range(3):
            turn = await stores.eventually(lambda: stores.duties.claim_turn("rescue", 0.05, 60))
            since.append(turn.seconds_since_resumed)
        assert since == sorted(since)
        assert since[-1] >= 0.149

    async def test_after_a_longer_pause_upkeep_has_resumed(self, stores: Stores):
        await stores.duties.claim_turn("rescue", 0.05, 60)
        turn = await stores.eventually(lambda: stores.duties.claim_turn("rescue", 0.2, 60))
        assert turn.seconds_since_resumed > 0
        turn = await stores.eventually(lambda: stores.duties.claim_turn("rescue", 0.2, 0.1))
        assert turn.seconds_since_resumed == pytest.approx(0, abs=0.01)
