"""Days and months of budgets, where the rows are of other days because nobody can turn PostgreSQL's clock."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

from roadworthy.adapters.postgres import PostgresBudgetLedger, open_pool
from roadworthy.domain.budget import BudgetLimits, ChargeState
from roadworthy.ports.budget_ledger import Want
from roadworthy.testing.conformance.money_scenario import (
    ACMES,
    ALICES,
    ALL,
    LIMIT,
    charge_one,
    given_and_spent,
    holder,
    line,
    settled,
    spender,
)
from roadworthy.testing.conformance.scenario import ALICE, settle
from roadworthy.testing.conformance.stores import Stores

from .other_connection import OtherConnection

A_DAY_AGO = """
    update budgets set window_start = window_start - 1 where scope = 'user_day';
    update budget_slices set day = day - 1;
    update charges set day = day - 1
"""
AN_HOUR_AND_A_DAY_AGO = "update budget_slices set day = day - 2; update charges set day = day - 2"
A_MONTH_AGO = "update budgets set window_start = (window_start - interval '1 month')::date"
WINDOWS = """
    select budget_window('user_day', day), budget_window('tenant_month', day), budget_window('global_month', day)
    from (select $1::text::date as day) given
"""


async def test_windows_are_days_and_calendar_months(other: OtherConnection):
    for day, month in (("2024-02-29", "2024-02-01"), ("2026-12-31", "2026-12-01"), ("2027-01-01", "2027-01-01")):
        (row,) = await other.connection.fetch(WINDOWS, day)
        assert [str(window) for window in row] == [day, month, month]


async def test_windows_end_where_the_calendar_in_utc_says(url: str, other: OtherConnection):
    database = urlsplit(url).path[1:]
    await other.connection.execute(f"alter database {database} set timezone = 'Pacific/Kiritimati'")
    pool = await open_pool(url, 1)
    try:
        (drawn,) = await PostgresBudgetLedger(pool).draw(uuid4(), 1, [Want(ACMES, LIMIT, 1, 1)])
        (zone,) = await pool.fetch("select current_setting('timezone')")
    finally:
        await pool.close()
        await other.connection.execute(f"alter database {database} reset timezone")
    assert zone[0] == "Pacific/Kiritimati"
    now = datetime.now(UTC)
    month_end = (now.replace(day=28) + timedelta(days=4)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert drawn.day == now.date()
    assert abs(drawn.seconds_left - (month_end - now).total_seconds()) < 60
    assert abs(drawn.day_seconds_left - (86_400 - now.timestamp() % 86_400)) < 60


async def test_what_was_spent_yesterday_is_not_of_today(stores: Stores, other: OtherConnection):
    worker = await holder(stores)
    await worker.draw(LIMIT)
    worker.spent = LIMIT
    await worker.report()
    await other.connection.execute(A_DAY_AGO)
    assert await stores.accounts.standings(ALL) == []
    assert await stores.accounts.used_up(ALL) == []
    assert await stores.accounts.new_alerts(ALL) == []
    assert (await worker.draw(LIMIT)).granted == LIMIT


async def test_what_was_spent_last_month_is_not_of_this_one(stores: Stores, other: OtherConnection):
    worker = await holder(stores, ACMES)
    await worker.draw(LIMIT)
    await other.connection.execute(A_MONTH_AGO)
    assert await stores.accounts.standings(BudgetLimits(tenant_month=LIMIT)) == []
    assert (await worker.draw(LIMIT)).granted == LIMIT


async def test_a_slice_of_yesterday_is_reported_as_such(stores: Stores, other: OtherConnection):
    worker = await holder(stores)
    await worker.draw(1000)
    await other.connection.execute(A_DAY_AGO)
    assert worker.day is not None
    worker.day -= timedelta(days=1)
    worker.spent = 300
    await worker.give_back()
    (row,) = await other.connection.fetch("select given, spent from budgets")
    assert tuple(row) == (300, 300)
    assert await stores.accounts.standings(ALL) == []


async def test_slices_of_days_that_are_over_are_closed_also_of_workers_that_live(
    stores: Stores, other: OtherConnection
):
    worker, claimed = await spender(stores)
    await worker.draw(1000)
    paid, under_way = await charge_one(stores, worker.charge(claimed)), await charge_one(stores, worker.charge(claimed))
    await stores.ledger.settle([settled(paid, 40)])
    await other.connection.execute(AN_HOUR_AND_A_DAY_AGO)
    await other.connection.execute("update budgets set window_start = window_start - 2 where scope = 'user_day'")
    assert await stores.accounts.settle_lost() == 0
    await stores.ledger.settle([settled(under_way, 50)])
    assert await stores.accounts.settle_lost() == 1
    (row,) = await other.connection.fetch("select given, spent from budgets")
    assert tuple(row) == (90, 90)


async def test_a_charge_that_nobody_ended_is_uncertain_after_a_minute(stores: Stores, other: OtherConnection):
    worker, claimed = await spender(stores)
    charge = await charge_one(stores, worker.charge(claimed))
    await settle(stores, claimed)
    await other.connection.execute("update charges set at = at - interval '59 seconds'")
    assert await stores.accounts.settle_lost() == 0
    await other.connection.execute("update charges set at = at - interval '1 seconds'")
    assert await stores.accounts.settle_lost() == 1
    assert (await line(stores, charge)).state is ChargeState.UNCERTAIN


async def test_a_charge_of_a_running_attempt_stays_open_however_old(stores: Stores, other: OtherConnection):
    worker, claimed = await spender(stores)
    charge = await charge_one(stores, worker.charge(claimed))
    await other.connection.execute("update charges set at = at - interval '1 hour'")
    assert await stores.accounts.settle_lost() == 0
    assert (await line(stores, charge)).state is ChargeState.OPEN


async def test_an_idle_worker_overdue_for_a_minute_loses_its_lease_and_its_money(
    stores: Stores, other: OtherConnection
):
    worker, idle = await holder(stores), await holder(stores)
    await worker.draw(1000)
    await other.connection.execute("update workers set lease_expires_at = now() - interval '59 seconds'")
    assert await stores.accounts.settle_lost() == 0
    await other.connection.execute("update workers set lease_expires_at = now() - interval '60 seconds'")
    assert await stores.accounts.settle_lost() == 1
    assert await given_and_spent_of_alice(stores) == []
    assert await stores.workers.heartbeat(worker.id, 60) is None
    assert await stores.workers.heartbeat(idle.id, 60) is not None


async def test_a_budget_is_wanted_for_ten_seconds(stores: Stores, other: OtherConnection):
    rich, poor = await holder(stores), await holder(stores)
    await rich.draw(8000)
    await poor.draw(1)
    (row,) = await other.connection.fetch("select extract(epoch from wanted_until - now()) from budgets")
    assert 9 < row[0] <= 10
    await other.connection.execute("update budgets set wanted_until = now() + interval '4 seconds'")
    await poor.draw(1)
    (row,) = await other.connection.fetch("select extract(epoch from wanted_until - now()) from budgets")
    assert 9 < row[0] <= 10
    assert await rich.report() == [ALICES]
    await other.connection.execute("update budgets set wanted_until = now() - interval '1 second'")
    assert await rich.report() == []


async def test_usage_is_of_the_days_that_were_asked_for(stores: Stores, other: OtherConnection):
    worker, claimed = await spender(stores)
    for _ in range(3):
        charge = await charge_one(stores, worker.charge(claimed))
        await stores.ledger.settle([settled(charge, 10)])
        await other.connection.execute("update charges set day = day - 1")
    today = datetime.now(UTC).date()
    used = await stores.accounts.usage(ALICE, "day", 3)
    assert [each["day"] for each in used] == [str(today - timedelta(days=ago)) for ago in (1, 2)]
    assert len(await stores.accounts.usage(ALICE, "day", 4)) == 3


async def given_and_spent_of_alice(stores: Stores) -> list[object]:
    return [await given_and_spent(stores)] if await stores.accounts.standings(ALL) else []
