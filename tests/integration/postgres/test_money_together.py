"""Who reserves, settles, corrects and closes at the same time, in orders that a test decides."""

import asyncio
from dataclasses import replace

import pytest

from roadworthy.domain.budget import ChargeState
from roadworthy.domain.ids import new_id
from roadworthy.domain.journal import Appended, Refused
from roadworthy.domain.operator_action import ActionKind, ActionTarget, OperatorAction
from roadworthy.ports.budget_ledger import SliceReport, Want
from roadworthy.testing.conformance.money_scenario import (
    ALICES,
    LIMIT,
    ONLY_USERS,
    OPERATOR,
    charge_one,
    entry_with,
    given_and_spent,
    holder,
    line,
    new_charge,
    settled,
    spender,
)
from roadworthy.testing.conformance.scenario import lose_worker, register, run_one
from roadworthy.testing.conformance.stores import Stores

from .other_connection import OtherConnection
from .test_lock_order import both
from .test_one_writer import CLAIM_AGAIN, LOCK_TASK

LOCK_BUDGETS = "select from budgets for update"
LOCK_SLICES = "select from budget_slices for update"
LOCK_CHARGES = "select from charges for update"
TELL_OF_HALF = """
    insert into budget_alerts select window_start, scope, tenant, owner, 50, "limit", spent, now() from budgets
"""
TRUTH = OperatorAction(new_id(), 0, OPERATOR, ActionKind.CORRECT_CHARGE, ActionTarget({}), None)


async def test_a_charge_that_waits_while_the_task_is_claimed_again_is_refused(stores: Stores, other: OtherConnection):
    claimed = await run_one(stores)
    async with other.holding(LOCK_TASK, claimed.task.id) as connection:
        zombie = await other.until_waiting(stores.ledger.charge([new_charge(claimed)]))
        await connection.execute(CLAIM_AGAIN, claimed.task.id)
    assert await zombie == [False]
    assert await stores.accounts.charges() == []


async def test_a_charge_that_is_repeated_before_the_first_one_has_committed_is_one(
    stores: Stores, other: OtherConnection
):
    claimed = await run_one(stores)
    charge = new_charge(claimed)
    async with other.holding(LOCK_TASK, claimed.task.id):
        first = await other.until_waiting(stores.ledger.charge([charge]))
        again = await other.until_waiting(stores.ledger.charge([charge]), behind=1)
    assert await first == await again == [True]
    assert len(await stores.accounts.charges()) == 1


async def test_tasks_do_not_wait_for_the_charges_of_each_other(stores: Stores, other: OtherConnection):
    worker_id = await register(stores)
    one, two = [await run_one(stores, worker_id=worker_id) for _ in range(2)]
    async with other.holding(LOCK_TASK, one.task.id):
        waiting = await other.until_waiting(stores.ledger.charge([new_charge(one)]))
        assert await stores.ledger.charge([new_charge(two)]) == [True]
    assert await waiting == [True]


@pytest.mark.parametrize("knows_the_day", [True, False])
async def test_what_a_draw_takes_that_was_given_up_while_it_waited_goes_back(
    stores: Stores, other: OtherConnection, knows_the_day: bool
):
    rich, worker = await holder(stores), await holder(stores)
    day = (await rich.draw(10)).day
    async with other.holding(LOCK_BUDGETS):
        draw = await other.until_waiting(stores.ledger.draw(worker.id, 1, [Want(ALICES, LIMIT, 500, 500)]))
        nothing = SliceReport(ALICES, day if knows_the_day else None, 0, 0)
        report = await other.until_waiting(stores.ledger.report(worker.id, 2, [nothing]), behind=1)
    await asyncio.gather(draw, report)
    assert await given_and_spent(stores) == (10, 0)


async def test_budgets_do_not_wait_for_journals(stores: Stores, other: OtherConnection):
    worker, claimed = await spender(stores)
    await charge_one(stores, worker.charge(claimed))
    async with other.holding(LOCK_TASK, claimed.task.id) as connection:
        await connection.fetch(LOCK_CHARGES)
        assert (await worker.draw(1000)).granted == 1000
        worker.spent = 10
        assert await worker.report() == []
    assert await given_and_spent(stores) == (1000, 10)


async def test_journals_and_charges_do_not_wait_for_budgets(stores: Stores, other: OtherConnection):
    worker, claimed = await spender(stores)
    await worker.draw(1000)
    async with other.holding(LOCK_BUDGETS) as connection:
        await connection.fetch(LOCK_SLICES)
        one, two, three = [await charge_one(stores, worker.charge(claimed)) for _ in range(3)]
        assert await stores.journal.append([entry_with(claimed, "m1", settled(one, 10))]) == [Appended(0)]
        await stores.ledger.settle([settled(two, 20)])
        assert await stores.ledger.take_over(claimed.task.id, 2, 0) == 20 + 100
    assert (await line(stores, three)).state is ChargeState.UNCERTAIN


async def test_a_draw_that_waited_sees_what_is_left(stores: Stores, other: OtherConnection):
    first, second, third = [await holder(stores) for _ in range(3)]
    await first.draw(1000)
    async with other.holding(LOCK_BUDGETS):
        one = await other.until_waiting(second.draw(6500))
        two = await other.until_waiting(third.draw(600), behind=1)
    assert [(await one).granted, (await two).granted] == [6500, 0]


async def test_a_late_draw_that_waits_for_the_report_that_overtook_it_gets_nothing(
    stores: Stores, other: OtherConnection
):
    worker = await holder(stores)
    await worker.draw(1000)
    async with other.holding(LOCK_BUDGETS):
        late_number = next(worker.numbers)
        worker.spent = 400
        report = await other.until_waiting(worker.give_back())
        late = stores.ledger.draw(worker.id, late_number, [Want(ALICES, LIMIT, 500, 500)])
        late_draw = await other.until_waiting(late, behind=1)
    await report
    assert [drawn.granted for drawn in await late_draw] == [0]
    assert await given_and_spent(stores) == (400, 400)


async def test_an_end_that_waits_while_the_charge_is_declared_uncertain_puts_the_budget_right(
    stores: Stores, other: OtherConnection
):
    worker, claimed = await spender(stores)
    await worker.draw(1000)
    charge = await charge_one(stores, worker.charge(claimed, 400))
    await lose_worker(stores, worker.id)
    async with other.holding(LOCK_CHARGES) as connection:
        end = await other.until_waiting(stores.ledger.settle([settled(charge, 40)]))
        await connection.execute("update charges set state = 'uncertain'")
    await end
    assert (await line(stores, charge)).cost == 40
    await stores.accounts.settle_lost()
    assert await given_and_spent(stores) == (40, 40)


async def test_an_entry_that_waits_while_its_charge_is_declared_uncertain_leaves_it(
    stores: Stores, other: OtherConnection
):
    worker, claimed = await spender(stores)
    charge = await charge_one(stores, worker.charge(claimed, 400))
    await lose_worker(stores, worker.id)
    async with other.holding(LOCK_CHARGES) as connection:
        late = stores.journal.append([entry_with(claimed, "m1", settled(charge, 40))])
        append = await other.until_waiting(late)
        await connection.execute("update charges set state = 'uncertain'")
    assert await append == [Refused()]
    assert (await line(stores, charge)).state is ChargeState.UNCERTAIN


async def test_a_real_cost_that_waits_for_the_closing_of_its_slice_is_counted(stores: Stores, other: OtherConnection):
    worker, claimed = await spender(stores)
    await worker.draw(1000)
    charge = await charge_one(stores, worker.charge(claimed, 400))
    await stores.ledger.settle([settled(charge, None)])
    await lose_worker(stores, worker.id)
    async with other.holding(LOCK_BUDGETS):
        closing = await other.until_waiting(stores.accounts.settle_lost())
        real = await other.until_waiting(stores.ledger.settle([settled(charge, 40)]), behind=1)
    await both(other, closing, real)
    assert await closing == 1
    assert await given_and_spent(stores) == (40, 40)


async def test_a_slice_whose_charge_is_being_corrected_is_closed_next_time(stores: Stores, other: OtherConnection):
    worker, claimed = await spender(stores)
    await worker.draw(1000)
    charge = await charge_one(stores, worker.charge(claimed, 400))
    await stores.ledger.settle([settled(charge, None)])
    await lose_worker(stores, worker.id)
    async with other.holding(LOCK_BUDGETS):
        correction = await other.until_waiting(stores.accounts.correct(charge.id, 40, TRUTH))
        assert await stores.accounts.settle_lost() == 0
    await correction
    assert await given_and_spent(stores) == (640, -360)
    assert await stores.accounts.settle_lost() == 1
    assert await given_and_spent(stores) == (40, 40)


async def test_a_correction_that_waits_for_a_report_is_added_to_it(stores: Stores, other: OtherConnection):
    worker, claimed = await spender(stores)
    await worker.draw(1000)
    charge = await charge_one(stores, worker.charge(claimed, 400))
    await stores.ledger.settle([settled(charge, None)])
    worker.spent = 400
    async with other.holding(LOCK_BUDGETS):
        report = await other.until_waiting(worker.report())
        correction = await other.until_waiting(stores.accounts.correct(charge.id, 40, TRUTH), behind=1)
    await both(other, report, correction)
    assert await given_and_spent(stores) == (640, 40)


async def test_two_that_close_at_once_close_once(stores: Stores, other: OtherConnection):
    workers = [await holder(stores) for _ in range(3)]
    for worker in workers:
        await worker.draw(100)
        await stores.workers.deregister(worker.id)
    async with other.holding(LOCK_BUDGETS):
        one = await other.until_waiting(stores.accounts.settle_lost())
        assert await stores.accounts.settle_lost() == 0
    assert await one == 3
    assert await given_and_spent_rows(other) == [(0, 0)]


async def test_an_alert_that_another_process_tells_meanwhile_is_told_by_that_one(
    stores: Stores, other: OtherConnection
):
    worker = await holder(stores)
    await worker.draw(LIMIT)
    worker.spent = 4000
    await worker.report()
    async with other.holding(TELL_OF_HALF):
        alerts = await other.until_waiting(stores.accounts.new_alerts(ONLY_USERS))
    assert await alerts == []
    assert [alert.percent for alert in await stores.accounts.alerts()] == [50]


async def test_many_that_settle_what_is_uncertain_do_not_wait_for_each_other(stores: Stores, other: OtherConnection):
    worker, claimed = await spender(stores)
    await worker.draw(8000)
    charges = [await charge_one(stores, worker.charge(claimed, 10)) for _ in range(12)]
    await stores.ledger.settle([settled(charge, None) for charge in charges])
    await lose_worker(stores, worker.id)
    ends = [settled(charge, 4) for charge in charges]
    calls = [stores.ledger.settle(part) for part in (ends, ends[::-1], ends[3:], ends[:7])]
    await both(other, *(asyncio.create_task(call) for call in [*calls, settle_lost(stores)]))
    await stores.accounts.settle_lost()
    assert await given_and_spent(stores) == (48, 48)


async def test_what_a_zombie_draws_is_taken_back(stores: Stores, other: OtherConnection):
    worker, claimed = await spender(stores)
    await lose_worker(stores, worker.id)
    assert (await worker.draw(1000)).granted == 1000
    assert await stores.ledger.charge([replace(worker.charge(claimed), estimate=900)]) == [False]
    assert await stores.accounts.settle_lost() == 1
    assert (await worker.draw(1000)).granted == 0
    assert await given_and_spent_rows(other) == [(0, 0)]


async def settle_lost(stores: Stores) -> None:
    await stores.accounts.settle_lost()


async def given_and_spent_rows(other: OtherConnection) -> list[tuple[int, int]]:
    return [tuple(row) for row in await other.connection.fetch("select given, spent from budgets")]
