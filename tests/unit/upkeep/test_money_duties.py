"""Alerts are told once however many processes look, and what lost workers held comes back."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import pytest
import structlog

sys.path.insert(0, str(Path(__file__).parents[1] / "insight"))

from spending import Spender
from task_life import World

from roadworthy.adapters.memory.budget_accounts import SETTLING_SECONDS, MemoryBudgetAccounts
from roadworthy.adapters.memory.duty_schedule import MemoryDutySchedule
from roadworthy.adapters.memory.event_log import MemoryCancelSignals
from roadworthy.adapters.memory.lanes import MemoryLanes
from roadworthy.adapters.memory.task_upkeep import MemoryTaskUpkeep
from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.core.announcer import Announcer
from roadworthy.core.publisher import EventPublisher
from roadworthy.core.upkeep.announce_budget_alerts import AnnounceBudgetAlerts
from roadworthy.core.upkeep.duty import Duty, UpkeepPorts
from roadworthy.core.upkeep.rescue_expired_leases import RescueExpiredLeases
from roadworthy.core.upkeep.settle_lost_charges import SettleLostCharges
from roadworthy.core.upkeep.upkeep import Upkeep, all_duties
from roadworthy.domain.budget import BudgetLimits, BudgetScope, ChargeState
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import TaskStatus

LIMITS = BudgetLimits(user_day=1_000_000, tenant_month=2_000_000, global_month=100_000_000)
ALICE, BOB = Principal("acme", "alice"), Principal("acme", "bob")


class Processes:
    """Two of upkeep over one store."""

    def __init__(self) -> None:
        self.world = world = World()
        self.accounts = MemoryBudgetAccounts(world.database)
        self.spender = Spender(world.database, LIMITS)
        self.upkeeps = [self._upkeep() for _ in range(2)]

    def _upkeep(self) -> Upkeep:
        world = self.world
        publisher = EventPublisher(world.event_log)
        announcer = Announcer(MemoryWorkQueue(world.broker), publisher, MemoryCancelSignals(world.broker))
        lanes = MemoryLanes(world.database)
        ports = UpkeepPorts(MemoryTaskUpkeep(world.database), announcer, lanes, self.accounts)
        return Upkeep(all_duties(30, 3, LIMITS), MemoryDutySchedule(world.database), ports, pause_seconds=30)

    async def run(self, duty: Duty) -> list[int | None]:
        await self.world.clock.advance(duty.every_seconds)
        return [await upkeep.run_once(duty) for upkeep in self.upkeeps]

    async def alerts(self) -> list[tuple[str, str, str | None, int, str]]:
        """What the log is told in the next turn: level, scope, user, percent, spent."""
        with structlog.testing.capture_logs() as logs:
            await self.run(AnnounceBudgetAlerts(LIMITS))
            await self.run(AnnounceBudgetAlerts(LIMITS))
        return [
            (line["log_level"], line["scope"], line["user"], line["percent"], line["spent"])
            for line in logs
            if line["event"] == "budget_alert"
        ]


async def test_half_four_fifths_and_all_of_a_budget_are_told_once_each():
    processes = Processes()
    assert await processes.alerts() == []
    await processes.spender.spend(ALICE, "0.49")
    assert await processes.alerts() == []
    await processes.spender.spend(ALICE, "0.01")
    assert await processes.alerts() == [("warning", "user_day", "alice", 50, "0.5")]
    await processes.spender.spend(ALICE, "0.5")
    assert sorted(await processes.alerts()) == [
        ("error", "user_day", "alice", 100, "1"),
        ("warning", "tenant_month", None, 50, "1"),
        ("warning", "user_day", "alice", 80, "1"),
    ]
    assert await processes.alerts() == []


async def test_an_alert_says_whose_budget_it_is_and_what_happens():
    processes = Processes()
    await processes.spender.spend(BOB, "1")
    with structlog.testing.capture_logs() as logs:
        await processes.run(AnnounceBudgetAlerts(LIMITS))
    (line,) = [line for line in logs if line.get("percent") == 100]
    window_start = line.pop("window_start")
    assert line == {
        "event": "budget_alert",
        "log_level": "error",
        "scope": "user_day",
        "tenant": "acme",
        "user": "bob",
        "percent": 100,
        "limit": "1",
        "spent": "1",
        "reason": "the daily budget of bob is used up: new tasks get 402 until the next day in UTC",
    }
    assert window_start == "2027-01-15"


async def test_an_alert_that_nobody_logged_is_on_the_operators_list():
    processes = Processes()
    await processes.spender.spend(ALICE, "0.5")
    (alert,) = await processes.accounts.new_alerts(LIMITS)  # and the process dies
    assert await processes.alerts() == []
    assert await processes.accounts.alerts() == [alert]


async def test_without_budgets_there_is_nothing_to_announce():
    names = {duty.name for duty in all_duties(30, 3)}
    assert "announce_budget_alerts" not in names
    assert "settle_lost_charges" in names


@pytest.mark.parametrize("duty", all_duties(30, 3, LIMITS), ids=lambda duty: duty.name)
async def test_a_turn_is_one_processes(duty: Duty):
    assert len([done for done in await Processes().run(duty) if done is not None]) == 1


async def test_a_charge_whose_task_has_ended_becomes_uncertain():
    processes = Processes()
    life = await processes.world.life()
    await life.claim()
    charge = await processes.spender.charge(life.claimed, "0.02", under_way=True)
    assert sum(filter(None, await processes.run(SettleLostCharges()))) == 0, "the task still runs"
    await life.settle(TaskStatus.SUCCEEDED)
    await processes.world.clock.advance(SETTLING_SECONDS)
    assert sum(filter(None, await processes.run(SettleLostCharges()))) == 1
    (line,) = await processes.accounts.charges()
    assert (line.id, line.state) == (charge, ChargeState.UNCERTAIN)


async def test_what_a_lost_worker_held_is_free_with_the_rescue_of_its_tasks():
    processes = Processes()
    life = await processes.world.life()
    await life.claim()
    (worker,) = processes.world.database.workers
    await processes.spender.reserve(life.task.principal, "0.5", worker)
    await processes.spender.charge(life.claimed, "0.02", under_way=True, holder=worker, day=date(2027, 1, 15))

    async def standing() -> tuple[int, int, int]:
        (user, *_) = await processes.accounts.standings(LIMITS.only(BudgetScope.USER_DAY))
        return user.reserved, user.spent, user.uncertain

    rescue = RescueExpiredLeases(30, 3)
    await processes.run(rescue)
    assert await standing() == (500_000, 0, 0)
    while not sum(filter(None, await processes.run(rescue))):
        pass
    assert await standing() == (0, 20_000, 20_000)
    (line,) = await processes.accounts.charges()
    assert line.state is ChargeState.UNCERTAIN
