"""Fairness: owners with backlogs share evenly, whatever came when, and nobody waits behind another one's backlog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import pytest

from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Claimed, OnBusy, Task, TaskStatus
from roadworthy.ports.task_store import TaskFilter
from roadworthy.testing.conformance.scenario import (
    ALICE,
    BOB,
    LANE,
    claim_one,
    end_of,
    new_task,
    register,
    rising_id,
    run_one,
    settle,
    submit,
    submit_one,
)
from roadworthy.testing.conformance.stores import Stores

CLAIMS = 1000
MOST_OFF = 0.05
"""Of all claims: how far an owner's share may be from its half."""
AT_ONCE = 25
Before = Callable[[], Awaitable[object]]


async def _nothing() -> None:
    pass


class FairShareContract:
    async def test_whenever_each_of_them_came(self, stores: Stores):
        worker = await Counting.registered(stores)
        await backlog(stores, ALICE, CLAIMS)
        await worker.claim(300)
        await backlog(stores, BOB, CLAIMS)
        assert_even(await worker.claim(CLAIMS))

    async def test_when_one_comes_in_bursts(self, stores: Stores):
        worker = await Counting.registered(stores)
        await backlog(stores, ALICE, CLAIMS)

        async def burst() -> None:
            if not await has_queued(stores, BOB, AT_ONCE):
                await backlog(stores, BOB, 40)

        assert_even(await worker.claim(CLAIMS, before=burst))

    async def test_when_tasks_of_one_are_queued_again(self, stores: Stores):
        worker = await Counting.registered(stores)
        await backlog(stores, ALICE, CLAIMS)
        await backlog(stores, BOB, CLAIMS)

        def again(claimed: Claimed) -> TaskStatus:
            return TaskStatus.QUEUED if claimed.task.principal == BOB else TaskStatus.SUCCEEDED

        assert_even(await worker.claim(CLAIMS, end=again))

    async def test_when_tasks_of_one_wait_behind_each_other(self, stores: Stores):
        worker = await Counting.registered(stores)
        await backlog(stores, BOB, CLAIMS)
        sessions = [rising_id() for _ in range(2 * AT_ONCE)]
        for first in (True, *[False] * 11):
            # In batches of one session each: of several in one batch, all but the first take the slow way.
            await submit(
                stores, *(new_task(ALICE, opens_session=first, session_id=session_id) for session_id in sessions)
            )
        assert_even(await worker.claim(CLAIMS))

    async def test_over_several_lanes(self, stores: Stores):
        lanes = [f"support@{version}" for version in range(1, 4)]
        worker = await Counting.registered(stores, lanes)
        for number in range(12):
            for principal in (ALICE, BOB):
                await backlog(stores, principal, 50, version=str(number * 7 % 3 + 1))
        assert_even(await worker.claim(CLAIMS))

    async def test_in_lanes_of_different_age(self, stores: Stores):
        worker = await Counting.registered(stores, ["support@1", "support@2"])
        await backlog(stores, ALICE, CLAIMS)
        await worker.claim(400)
        await backlog(stores, BOB, CLAIMS, version="2")
        assert_even(await worker.claim(CLAIMS))

    async def test_equal_places_go_by_age(self, stores: Stores):
        tasks = [await submit_one(stores, Principal("acme", f"user {9 - number}")) for number in range(10)]
        claimed = await stores.tasks.claim(await register(stores), [LANE], 10)
        assert [each.task.id for each in claimed] == [task.id for task in tasks]


class NobodyStarvesContract:
    async def test_one_task_goes_in_front_of_every_backlog(self, stores: Stores):
        lanes = ["support@1", "support@2"]
        worker = await Counting.registered(stores, lanes)
        await backlog(stores, ALICE, 300)
        await worker.claim(200)
        # In a lane that nothing was ever claimed from.
        await backlog(stores, ALICE, 300, version="2")
        await submit_one(stores, BOB)
        assert BOB.user in await worker.claim(4, at_once=1)

    async def test_tasks_whose_pause_is_over_do_not_all_go_first(self, stores: Stores):
        worker = await Counting.registered(stores)
        await backlog(stores, ALICE, 60)
        await worker.claim(60, end=lambda _: TaskStatus.QUEUED, run_after_seconds=0.2)
        await backlog(stores, BOB, 200)
        await worker.claim(100)
        released: list[Task] = []

        async def all_released() -> bool:
            released.extend(await stores.upkeep.release_due_tasks(100))
            return len(released) == 60

        await stores.eventually(all_released)
        assert 18 <= Counter(await worker.claim(40))[ALICE.user] <= 22
        await submit_one(stores, Principal("acme", "newcomer"))
        assert "newcomer" in await worker.claim(3, at_once=1)

    @pytest.mark.parametrize("how", ["cancelled", "expired", "interrupted"])
    async def test_what_was_never_claimed_costs_no_place(self, stores: Stores, how: str):
        worker = await Counting.registered(stores)
        match how:
            case "cancelled":
                for task in await backlog(stores, ALICE, 30):
                    await stores.tasks.cancel(ALICE, task.id)
            case "expired":
                await backlog(stores, ALICE, 30, limits=Limits(queue_seconds=0.05))
                await stores.eventually(lambda: nothing_left(stores))
            case _:
                first = await submit_one(stores, ALICE)
                for _ in range(30):
                    await submit_one(stores, ALICE, session_id=first.session_id, on_busy=OnBusy.INTERRUPT)
        await submit_one(stores, ALICE)
        await backlog(stores, BOB, 60)
        assert ALICE.user in await worker.claim(3, at_once=1)

    async def test_what_was_claimed_keeps_its_place_when_it_is_cancelled(self, stores: Stores):
        worker_id = await register(stores)
        running = [await run_one(stores, worker_id=worker_id) for _ in range(10)]
        for claimed in running:
            await stores.tasks.cancel(ALICE, claimed.task.id)
            await settle(stores, claimed, TaskStatus.CANCELLED)
        await backlog(stores, ALICE, 20)
        await backlog(stores, BOB, 20)
        users = [(await claim_one(stores, worker_id)).task.principal.user for _ in range(10)]
        assert users.count(ALICE.user) == 5


class Counting:
    """A worker that counts whose tasks it gets."""

    def __init__(self, stores: Stores, worker_id: UUID, lanes: Sequence[str]) -> None:
        self._stores = stores
        self._worker_id = worker_id
        self._lanes = lanes

    @classmethod
    async def registered(cls, stores: Stores, lanes: Sequence[str] = (LANE,)) -> Counting:
        return cls(stores, await register(stores, lanes=lanes), lanes)

    async def claim(
        self,
        count: int,
        *,
        at_once: int = AT_ONCE,
        before: Before = _nothing,
        end: Callable[[Claimed], TaskStatus] = lambda _: TaskStatus.SUCCEEDED,
        run_after_seconds: float = 0,
    ) -> list[str]:
        """Whose the next tasks were, in order; all of them have ended."""
        users: list[str] = []
        while len(users) < count:
            await before()
            batch = await self._stores.tasks.claim(self._worker_id, self._lanes, min(at_once, count - len(users)))
            assert batch, f"nothing to claim after {len(users)} of {count}"
            users += [claimed.task.principal.user for claimed in batch]
            ends = [end_of(claimed, end(claimed), run_after_seconds=run_after_seconds) for claimed in batch]
            await self._stores.tasks.settle(ends)
        return users


async def backlog(stores: Stores, principal: Principal, count: int, **others: Any) -> list[Task]:
    """That many tasks of sessions of their own."""
    return await submit(stores, *(new_task(principal, **others) for _ in range(count)))


async def has_queued(stores: Stores, principal: Principal, count: int = 1) -> bool:
    return len(await stores.tasks.list(principal, TaskFilter(status=TaskStatus.QUEUED, limit=count))) == count


async def nothing_left(stores: Stores) -> bool:
    """After everything that is overdue was ended."""
    await stores.upkeep.expire_tasks(100)
    return not await has_queued(stores, ALICE)


def assert_even(users: Sequence[str]) -> None:
    shares = Counter(users)
    assert abs(shares[ALICE.user] - shares[BOB.user]) <= 2 * MOST_OFF * len(users), shares
