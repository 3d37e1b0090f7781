"""New tasks are refused while a budget is used up, and nobody waits for the store to be told that it is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
import structlog
from spending import Spender
from task_life import Outages

from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.budget_accounts import MemoryBudgetAccounts
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.event_log import MemoryCancelSignals, MemoryEventLog
from roadworthy.adapters.memory.task_store import MemoryTaskStore
from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.core.announcer import Announcer
from roadworthy.core.intake.admit import Admitted, Intake
from roadworthy.core.intake.submission import Submission
from roadworthy.core.intake.used_up_budgets import FRESH_SECONDS, STALE_SECONDS, UsedUpBudgets
from roadworthy.core.publisher import EventPublisher
from roadworthy.domain.budget import BudgetLimits
from roadworthy.domain.errors import IdempotencyKeyReused, OutOfBudget, StoreUnavailable
from roadworthy.domain.money import micro_dollars
from roadworthy.domain.principal import Principal
from roadworthy.domain.service import AgentService
from roadworthy.testing.manual_clock import ManualClock

NOON = 1_800_014_400  # 2027-01-15 12:00 UTC
ALICE, BOB = Principal("acme", "alice"), Principal("acme", "bob")
ELSEWHERE = Principal("globex", "alice")
T = TypeVar("T")
USED_UP = "budget_accounts.used_up"


class Hanging(Outages):
    """May leave questions about budgets without an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.answers.set()

    async def around(self, operation: str, apply: Callable[[], T]) -> T:
        if operation == USED_UP:
            await self.answers.wait()
        return await super().around(operation, apply)


class Door:
    """The way in, with what an API process puts behind it."""

    def __init__(self, **usd: str) -> None:
        limits = BudgetLimits(**{scope: micro_dollars(amount) for scope, amount in usd.items()})
        self.clock = ManualClock(NOON)
        self.outages = Hanging()
        database, broker = MemoryDatabase(self.clock, self.outages), MemoryBroker(self.clock)
        self.spender = Spender(database, limits)
        self.store = MemoryTaskStore(database)
        self.publisher = EventPublisher(MemoryEventLog(broker))
        announcer = Announcer(MemoryWorkQueue(broker), self.publisher, MemoryCancelSignals(broker))
        budgets = UsedUpBudgets(MemoryBudgetAccounts(database), limits, self.clock)
        self.intake = Intake([AgentService(None, name="support")], self.store, announcer, budgets)

    async def submit(self, principal: Principal = ALICE, text: str = "hello", key: str | None = None) -> Admitted:
        return await self.intake.submit(principal, Submission(input=text, idempotency_key=key))

    async def refused(self, principal: Principal = ALICE, key: str | None = None) -> OutOfBudget:
        with pytest.raises(OutOfBudget) as refused:
            await self.submit(principal, key=key)
        return refused.value

    @property
    def looks(self) -> int:
        return self.outages.calls.count(USED_UP)


@asynccontextmanager
async def opened(**usd: str) -> AsyncIterator[Door]:
    door = Door(**usd)
    yield door
    await door.intake.close()
    await door.publisher.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with opened(user_day="1") as door:
        yield door


async def test_the_first_to_come_is_refused_with_the_budget_its_limit_and_when_it_opens(door: Door):
    await door.spender.spend(ALICE, "1")
    refused = await door.refused()
    assert refused.message == (
        "the daily budget of alice, $1, is used up; it opens again in 12 h, with the next day in UTC"
    )
    assert refused.retry_after == 12 * 3600


@pytest.mark.parametrize("principal", [BOB, ELSEWHERE])
async def test_the_budget_of_somebody_else_is_nobody_elses(door: Door, principal: Principal):
    await door.spender.spend(ALICE, "1")
    await door.submit(principal)
    await door.refused()


async def test_a_budget_with_money_under_way_is_not_used_up(door: Door):
    await door.spender.spend(ALICE, "0.95", under_way="0.05")
    await door.spender.refused(ALICE, "0.1")
    await door.submit()


async def test_a_budget_that_refused_a_call_near_its_end_is_used_up(door: Door):
    await door.spender.spend(ALICE, "0.95")
    await door.submit()
    await door.spender.refused(ALICE, "0.1")
    await door.clock.advance(FRESH_SECONDS + STALE_SECONDS)
    await door.refused()


async def test_of_two_budgets_that_are_used_up_the_one_is_told_that_opens_last():
    async with opened(user_day="1", tenant_month="1", global_month="5") as door:
        await door.spender.spend(ALICE, "1")
        refused = await door.refused()
        assert refused.message.startswith("the monthly budget of acme, $1, is used up; it opens again in 16 d 12 h")
        assert (await door.refused(BOB)).retry_after == 16.5 * 86_400
        await door.submit(ELSEWHERE)


async def test_with_the_next_day_it_opens_by_itself_although_the_store_is_away(door: Door):
    await door.spender.spend(ALICE, "1")
    await door.clock.advance(12 * 3600 - 1)
    await door.refused()
    await door.clock.advance(1)
    await door.submit()


async def test_submitting_asks_the_store_once_a_second_and_waits_for_it_never(door: Door):
    await door.submit()
    assert door.looks == 1
    for _ in range(20):
        await door.submit()
    assert door.looks == 1
    await door.spender.spend(ALICE, "1")
    await door.clock.advance(FRESH_SECONDS)
    await door.submit()  # what it was told is still thought to be so: the look is under way
    assert door.looks == 2
    await door.refused()
    assert door.looks == 2


async def test_nobody_is_refused_for_what_was_so_a_while_ago(door: Door):
    await door.spender.spend(ALICE, "1")
    await door.refused()
    await door.spender.take_back(ALICE)
    await door.clock.advance(FRESH_SECONDS)
    await door.submit()


async def test_an_idle_api_asks_nothing_and_one_without_budgets_never_does(door: Door):
    await door.clock.advance(3600)
    assert door.looks == 0
    async with opened() as open_door:
        await open_door.submit()
        assert open_door.looks == 0


async def test_a_repeated_request_is_answered_with_its_task_although_the_budget_is_used_up_since(door: Door):
    first = await door.submit(key="key")
    await door.spender.spend(ALICE, "1")
    await door.clock.advance(FRESH_SECONDS + STALE_SECONDS)
    again = await door.submit(key="key")
    assert again == Admitted(first.task, before=True)
    await door.refused(key="another key")
    with pytest.raises(IdempotencyKeyReused):
        await door.submit(text="something else", key="key")


async def test_a_store_that_is_away_refuses_by_itself_and_says_so_once(door: Door):
    await door.spender.spend(ALICE, "1")
    await door.refused()
    door.outages.store_away = True
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await door.clock.advance(FRESH_SECONDS)
            with pytest.raises(StoreUnavailable):
                await door.submit()
        door.outages.store_away = False
        await door.clock.advance(FRESH_SECONDS + STALE_SECONDS)
        await door.refused()
    assert [line["event"] for line in logs] == ["budgets_not_known", "store_back"]


async def test_a_store_that_does_not_answer_about_budgets_holds_up_nobody(door: Door, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("roadworthy.core.intake.used_up_budgets.WAIT_SECONDS", 0)
    await door.spender.spend(ALICE, "1")
    door.outages.answers.clear()
    await door.submit()
    door.outages.answers.set()
    await door.clock.advance(0)
    await door.refused()
